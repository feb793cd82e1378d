"""The platforms `stac`, any STAC archive of cloud-optimised GeoTIFFs, and `demo`, the one that is made here."""

from typing import TYPE_CHECKING

from tasks.imagery.registry import Opening, Room
from tasks.imagery.stac.cost import cost, limits
from tasks.imagery.stac.settings import StacSettings
from tasks.spec import PlatformItem
from tasks.spec.locations import is_url

if TYPE_CHECKING:
    from tasks.imagery.platform import Platform

__all__ = ["ROOM", "StacSettings"]


def _open(opening: Opening, settings: StacSettings) -> "Platform":
    from tasks.imagery.stac.platform import open_archive

    return open_archive(opening, settings)


def _is_remote(item: PlatformItem) -> bool:
    return item.stac is not None and (is_url(item.stac.catalog) or is_url(item.stac.radar_catalog))


ROOM = Room(settings=StacSettings, cost=cost, limits=limits, open=_open, is_remote=_is_remote)

"""The platforms `stac`, any STAC archive of cloud-optimised GeoTIFFs, and `demo`, the one that is made here."""

from typing import TYPE_CHECKING

from tasks.imagery.registry import Opening, Room
from tasks.imagery.stac.cost import cost, limits
from tasks.imagery.stac.settings import StacSettings

if TYPE_CHECKING:
    from tasks.imagery.platform import Platform

__all__ = ["ROOM", "StacSettings"]


def _open(opening: Opening, settings: StacSettings) -> "Platform":
    from tasks.imagery.stac.platform import open_archive

    return open_archive(opening, settings)


ROOM = Room(settings=StacSettings, cost=cost, limits=limits, open=_open)

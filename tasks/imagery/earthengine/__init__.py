"""The platform `earthengine`: Google Earth Engine through its own client, `earthengine-api`."""

from importlib import import_module
from typing import TYPE_CHECKING

from tasks.errors import SpecError
from tasks.imagery.earthengine.cost import cost_of
from tasks.imagery.earthengine.settings import EarthEngineSettings, limits_of
from tasks.imagery.registry import Opening, Room

if TYPE_CHECKING:
    from tasks.imagery.assets import Asset
    from tasks.imagery.platform import Platform

__all__ = ["ROOM", "EarthEngineSettings"]


_NOT_INSTALLED = (
    "platforms: earthengine: its client earthengine-api is not installed. Install it with "
    "`pip install 'deepsentinel[earthengine]'`, or take earthengine out of platforms."
)


def _open(opening: Opening, settings: EarthEngineSettings) -> "Platform":
    # An import costs two seconds and the client is an extra: only who names the platform pays and needs it.
    _need_client()
    from tasks.imagery.earthengine.platform import EarthEngine

    return EarthEngine(opening.rule, settings, opening.overlays, pixels=opening.pixels)


def _look_up(settings: EarthEngineSettings, asset: str, key: str, column: str | None) -> "Asset":
    _need_client()
    from tasks.imagery.earthengine.assets import look_up

    return look_up(settings, asset, key, column)


def _need_client() -> None:
    try:
        import_module("ee")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "ee":
            raise
        raise SpecError(_NOT_INSTALLED) from None


ROOM = Room(
    settings=EarthEngineSettings,
    cost=cost_of,
    limits=limits_of,
    open=_open,
    look_up=_look_up,
)

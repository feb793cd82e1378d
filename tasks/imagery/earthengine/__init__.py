"""The platform `earthengine`: Google Earth Engine through its own client, `earthengine-api`."""

from typing import TYPE_CHECKING

from tasks.errors import SpecError
from tasks.imagery.earthengine.cost import cost_of
from tasks.imagery.earthengine.settings import EarthEngineSettings, limits_of
from tasks.imagery.registry import Opening, Room

if TYPE_CHECKING:
    from tasks.imagery.platform import Platform

__all__ = ["ROOM", "EarthEngineSettings"]


def _open(opening: Opening, settings: EarthEngineSettings) -> "Platform":
    try:
        # An import costs two seconds and the client is an extra: only who names the platform pays and needs it.
        from tasks.imagery.earthengine.platform import EarthEngine
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "ee":
            raise
        raise SpecError(
            "platforms: earthengine: its client earthengine-api is not installed. Install it with "
            "`pip install 'deepsentinel[earthengine]'`, or take earthengine out of platforms."
        ) from None
    return EarthEngine(opening.rule, settings)


ROOM = Room(settings=EarthEngineSettings, cost=cost_of, limits=limits_of, open=_open, is_remote=lambda _: True)

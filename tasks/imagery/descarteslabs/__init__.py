"""The platform `descarteslabs`: EarthDaily's EarthOne, which Descartes Labs' platform has become.

The package `descarteslabs` is discontinued; `earthdaily-earthone` is the same client under its new owner's name, and
it is installed only with the extra `descarteslabs`.
"""

import warnings
from typing import TYPE_CHECKING

from tasks.errors import SpecError
from tasks.imagery.descarteslabs.cost import cost_of, limits_of
from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.imagery.registry import Opening, Room

if TYPE_CHECKING:
    from tasks.imagery.platform import Platform


def _open(opening: Opening, settings: DescartesLabsSettings) -> "Platform":
    """Open the platform; nothing is asked of it yet. Raises SpecError: its client is not installed; SettingsError."""
    try:
        # An import costs two seconds and the package is an extra: only who names the platform pays and needs it.
        with warnings.catch_warnings():
            # The client tries whether SOCKS proxies can be had, and urllib3 warns whoever tries in vain.
            warnings.filterwarnings("ignore", "SOCKS support in urllib3")
            from tasks.imagery.descarteslabs.platform import DescartesLabs
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("earthdaily"):
            raise
        raise SpecError(
            "platforms: descarteslabs: its client earthdaily-earthone is not installed. Install it with "
            "`pip install 'deepsentinel[descarteslabs]'`, or take descarteslabs out of platforms."
        ) from None
    return DescartesLabs(settings, opening.rule)


ROOM = Room(
    settings=DescartesLabsSettings,
    cost=cost_of,
    limits=limits_of,
    open=_open,
)

"""FROM WHOM: platforms behind one protocol."""

from pathlib import Path

from tasks.errors import SpecError
from tasks.imagery.descarteslabs import open_descarteslabs
from tasks.imagery.earthengine import EarthEngine
from tasks.imagery.platform import BANDS, POLARIZATIONS, Platform, Tiles, Traffic
from tasks.imagery.stac.catalogue import Bounds
from tasks.imagery.stac.platform import StacArchive
from tasks.scenes import Rule, rule_of
from tasks.settings import Settings
from tasks.spec import CorpusSpec, StacSource
from tasks.spec.locations import is_url, resolve_path

__all__ = ["BANDS", "POLARIZATIONS", "Platform", "Tiles", "Traffic", "open_platforms"]


def open_platforms(spec: CorpusSpec, bounds: Bounds, folder: Path, settings: Settings) -> list[Platform]:
    """Open the platforms of a spec, in its order, for places within `bounds`; `folder` is where the spec lies.

    Raises CatalogueError, CredentialsError, SettingsError, SpecError.
    """
    rule = rule_of(spec)
    return [
        _open(item if isinstance(item, str) else item.stac, rule, bounds, folder, settings) for item in spec.platforms
    ]


def _open(item: str | StacSource, rule: Rule, bounds: Bounds, folder: Path, settings: Settings) -> Platform:
    if isinstance(item, StacSource):
        source, catalog = item, item.catalog
        if not is_url(catalog):
            catalog = str(resolve_path(catalog, folder, key="platforms.stac.catalog"))
    elif item == "demo":
        path = settings.demo_archive / "catalog.json"
        if not path.is_file():
            raise SpecError(
                f"platforms: demo: there is no demo archive at {settings.demo_archive}. Make one with "
                "`deepsentinel demo`, or say where it is with DEEPSENTINEL_DEMO_ARCHIVE."
            )
        source, catalog = StacSource(catalog="", sentinel2_b10="sentinel-2-l1c", name="demo"), str(path)
    elif item == "descarteslabs":
        return open_descarteslabs(settings, rule)
    else:
        return EarthEngine(rule, settings)
    return StacArchive(
        source, catalog, rule=rule, bounds=bounds, in_flight=settings.stac_reads, patience=settings.stac_patience
    )

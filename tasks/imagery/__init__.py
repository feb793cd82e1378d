"""FROM WHOM: platforms behind one protocol."""

from pathlib import Path

from tasks.errors import SpecError
from tasks.imagery.earthengine import EarthEngine
from tasks.imagery.platform import BANDS, POLARIZATIONS, Platform, Tiles, Traffic
from tasks.imagery.stac import StacArchive
from tasks.scenes import Rule
from tasks.settings import Settings
from tasks.spec import CorpusSpec, StacSource, is_url, resolve_path

__all__ = ["BANDS", "POLARIZATIONS", "Platform", "Tiles", "Traffic", "open_platforms"]


def open_platforms(spec: CorpusSpec, folder: Path, settings: Settings) -> list[Platform]:
    """Open the platforms of a spec, in its order; `folder` is where the spec lies.

    Raises CatalogueError, CredentialsError, SettingsError, SpecError.
    """
    rule = Rule.of(spec)
    return [_open(item if isinstance(item, str) else item.stac, rule, folder, settings) for item in spec.platforms]


def _open(item: str | StacSource, rule: Rule, folder: Path, settings: Settings) -> Platform:
    if isinstance(item, StacSource):
        if is_url(item.catalog):
            raise SpecError(f"platforms: {item.catalog}: only catalogues on a local path can be read.")
        return StacArchive(
            item, resolve_path(item.catalog, folder, key="platforms.stac.catalog"), in_flight=settings.stac_reads
        )
    if item == "demo":
        catalog = settings.demo_archive / "catalog.json"
        if not catalog.is_file():
            raise SpecError(
                f"platforms: demo: there is no demo archive at {settings.demo_archive}. Make one with "
                "`deepsentinel demo`, or say where it is with DEEPSENTINEL_DEMO_ARCHIVE."
            )
        source = StacSource(catalog=str(catalog), sentinel2_b10="sentinel-2-l1c", name="demo")
        return StacArchive(source, catalog, in_flight=settings.stac_reads)
    if item == "earthengine":
        return EarthEngine(rule, settings)
    raise SpecError(f"platforms: {item} cannot be used yet; use earthengine, demo or {{stac: {{catalog: path}}}}.")

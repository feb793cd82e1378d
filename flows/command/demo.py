"""The embedded default: an invented country, and a labelled corpus of it."""

from pathlib import Path

import yaml

from flows.command.build import build_with_progress
from flows.command.ingest import ingest_with_progress
from tasks.demo import make_archive
from tasks.errors import CorpusError, SpecError
from tasks.labels.opening import open_layers
from tasks.spec import CorpusSpec, load_spec

_HEADER = "# A corpus of an invented country: nothing in it is real.\n"

_LABELS = Path("archive", "labels")
"""Where the archive keeps its land cover and its extract, beside the spec."""


def build_demo(folder: Path, seed: int) -> None:
    """Make the archive and the corpus in `folder`, as far as they are not there.

    Raises SpecError: the folder holds the demo of another seed, or other files where the archive should go.
    """
    path = folder / "demo.yaml"
    if path.exists() and (other := load_spec(path).seed) != seed:
        raise SpecError(
            f"{folder}: holds the demo of seed {other}, not of {seed}. Name another folder, or use --seed {other}."
        )
    print(f"making the demo archive in {folder / 'archive'} (an invented country, about a minute)", flush=True)
    try:
        make_archive(folder / "archive", seed=seed, progress=lambda step: print(f"  {step}", flush=True))
    except FileExistsError as error:
        raise SpecError(f"{error}. Name another folder.") from None
    if not path.exists():
        path.write_text(_HEADER + yaml.safe_dump(demo_spec(folder, seed), sort_keys=False), encoding="utf-8")
    spec = load_spec(path)
    if not _is_ingested(spec):
        ingest_with_progress(spec, [folder / _LABELS / "country.osm.pbf"], None)
    build_with_progress(spec)
    print(
        f"\nOpen {folder / 'corpus' / 'release' / 'index.html'} in a browser;\n"
        f"{folder / 'archive' / 'overview.png'} shows the country and its labels. Open the corpus with\n"
        f"  xarray.open_zarr({str(folder / 'corpus')!r}, group='demo')\n"
        f"  xarray.open_zarr({str(folder / 'corpus')!r}, group='labels')\n"
        f"  geopandas.read_parquet({str(folder / 'corpus' / 'samples')!r})"
    )


def _is_ingested(spec: CorpusSpec) -> bool:
    """Whether the labels can be drawn; a demo that was made without them has none to draw."""
    try:
        open_layers(spec)
    except CorpusError:
        return False
    return True


def demo_spec(folder: Path, seed: int) -> dict[str, object]:
    """The spec of the demo corpus."""
    return {
        "name": "invented-country",
        "seed": seed,
        "size": 48,
        "places": {"random": "archive/country.geojson"},
        "window": ["2021-01-01", "2023-01-01"],
        "pairing": {"max_gap_days": 3, "search_days": 400},
        "patch": {"pixels": 250},
        "platforms": [
            {
                "stac": {
                    "name": "demo",
                    "catalog": "archive/catalog.json",
                    "sentinel2": "sentinel-2-l2a",
                    "sentinel2_b10": "sentinel-2-l1c",
                    "sentinel1": "sentinel-1-grd",
                }
            }
        ],
        "labels": ["corine", "osm"],
        "sources": {"corine": str(_LABELS / "corine.tif")},
        "shard_size": 12,
        "destinations": [str(folder.resolve() / "corpus")],
    }

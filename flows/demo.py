"""The embedded default: an invented country, and a corpus of it."""

from pathlib import Path

from flows.console import build_with_progress
from tasks.demo import make_archive
from tasks.spec import load_spec

_SPEC = """\
# A corpus of an invented country: nothing in it is real.
name: invented-country
seed: {seed}
size: 48
places: {{random: archive/country.geojson}}
window: [{first}, {end}]
pairing: {{max_gap_days: 3, search_days: 400}}
patch: {{pixels: 250}}
platforms:
  - stac:
      name: demo
      catalog: archive/catalog.json
      sentinel2: sentinel-2-l2a
      sentinel2_b10: sentinel-2-l1c
      sentinel1: sentinel-1-grd
shard_size: 12
destinations: [{corpus}]
"""


def build_demo(folder: Path, seed: int) -> None:
    """Make the archive and the corpus in `folder`, as far as they are not there."""
    print(f"making the demo archive in {folder / 'archive'} (an invented country, about a minute)", flush=True)
    make_archive(folder / "archive", seed=seed, progress=lambda step: print(f"  {step}", flush=True))
    path = folder / "demo.yaml"
    if not path.exists():
        path.write_text(
            _SPEC.format(seed=seed, first="2021-01-01", end="2024-01-01", corpus=folder.resolve() / "corpus"),
            encoding="utf-8",
        )
    spec, where = load_spec(path)
    build_with_progress(spec, where)
    print(
        f"\nLook at {folder / 'archive' / 'overview.png'} (the country, its labels) and\n"
        f"{folder / 'corpus' / 'release' / 'preview.png'} (samples). Open the corpus with\n"
        f"  xarray.open_zarr({str(folder / 'corpus')!r}, group='demo')\n"
        f"  geopandas.read_parquet({str(folder / 'corpus' / 'samples')!r})"
    )

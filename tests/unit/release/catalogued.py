"""A described corpus and its `samples.parquet`, for tests of what other tools read."""

from collections.abc import Sequence
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import shapely

from tasks.labels.legends import LabelClass
from tasks.places.patches import Patch, patches_around
from tasks.scenes.reasons import Reason
from tasks.scenes.scenes import Acquisition, Acquisitions, Sentinel1Scenes, Sentinel2Scenes
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description, LayerDescription
from tasks.shards.rows import PlatformFacts, Sample, sample_rows
from tasks.spec import CorpusSpec
from tests.unit.shards.made import VALUES, small

MOMENT = 1_525_344_021_024_017
"""2018-05-03T10:40:21.024017Z."""

HOUR = 3_600_000_000

CLASSES = (
    LabelClass(index=1, code="w", name="water"),
    LabelClass(index=2, code="f", name="tall forest", rgb=(0, 166, 9)),
)

LAYER = LayerDescription(
    arrays=(
        ArrayKind(
            path="labels/cover",
            dimensions=("y", "x"),
            shape=(16, 16),
            dtype="uint8",
            fill=0,
            codec="zstd",
            attributes={"long_name": "Cover", "legend": [one.to_json() for one in CLASSES]},
        ),
        ArrayKind(
            path="labels/height",
            dimensions=("y", "x"),
            shape=(16, 16),
            dtype="int16",
            fill=-32768,
            step=0.5,
            attributes={"long_name": "Height", "units": "m"},
        ),
        ArrayKind(
            path="labels/roads",
            dimensions=("y", "x"),
            shape=(16, 16),
            dtype="uint32",
            fill=0,
            codec="zstd",
            attributes={"classes": [{"id": 3, "name": "minor road", "color": "#d9d94f", "order": 1}]},
        ),
    ),
    facts={"licence": "CC BY 4.0", "attribution": "Its makers"},
)
"""One array of each kind that labels have."""


def description(shards: int = 2) -> Description:
    """A labelled corpus of the platform zulu, shards of five samples of 16 pixels a side."""
    return small(shards, layers={"cover": LAYER})


def acquired(*, known: bool = True, gap: int = -19 * HOUR, later: int = 0) -> Acquisitions:
    """A pair; with unknown facts its catalogue tells neither cloud cover nor orbits."""

    def one(value: object) -> np.ndarray:
        return np.array([value], dtype=object)

    outline = one(None)
    outline[0] = shapely.box(8, 44, 10, 46)
    s2 = Sentinel2Scenes(
        id=one("S2A_x"), time=np.array([MOMENT + later]), footprint=outline, orbit=np.array([8 if known else 0]),
        epsg=np.array([32632]), tile=one("32TMR"), datatake=one("d"), baseline=one("02.06"), processed=np.array([0]),
        cloud_cover=np.array([12.5 if known else np.nan]),
    )  # fmt: skip
    s1 = Sentinel1Scenes(
        id=one("S1A_y"), time=np.array([MOMENT + later + gap]), footprint=outline, orbit=np.array([15 if known else 0]),
        product=one("S1A_y"), direction=one("descending" if known else ""),
    )  # fmt: skip
    return {"s2": Acquisition(scenes=s2, scene=0), "s1": Acquisition(scenes=s1, scene=0)}


def at(lon: float, lat: float) -> Patch:
    """A patch of 16 pixels at a point."""
    return patches_around(np.array([lon]), np.array([lat]), 16)[0]


def across_the_antimeridian() -> Patch:
    """A patch whose centre lies just west of 180 degrees."""
    return at(179.9999, -16.5)


def sample(
    row: int = 0, *, patch: Patch | None = None, acquisitions: Acquisitions | None = None,
    missing: Reason | None = None, absent: tuple[str, ...] = (),
) -> Sample:  # fmt: skip
    """A sample, or a place without pixels."""
    facts = PlatformFacts(ids={"s2": "S2A_x", "s1": "S1A_y"}, nodata={"s2": 0.25, "s1": 0.0}, absent_bands=absent)
    return Sample(
        row=row,
        cell=row,
        preferred=MOMENT,
        patch=patch or at(9.1 + row / 100, 45.2),
        acquisitions={} if missing else acquisitions or acquired(later=row * HOUR),
        platforms={} if missing else {"zulu": facts},
        missing=missing,
    )


def samples_file(folder: Path, *shards: Sequence[Sample]) -> Path:
    """`samples.parquet` of the rows of shards, numbered in order."""
    spec = CorpusSpec.model_validate(
        VALUES | {"shard_size": 5, "size": 5 * len(shards), "platforms": VALUES["platforms"][:1]}
    )
    rows = [sample_rows(list(held), spec, shard) for shard, held in enumerate(shards)]
    path = folder / "samples.parquet"
    whole = geopandas.GeoDataFrame(pd.concat(rows, ignore_index=True), crs="EPSG:4326")
    whole.to_parquet(path, index=False, compression="zstd")
    return path

"""Corpora of more than a pair and a date, from a made-up platform: for tests of all that reads a corpus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import zarr
from numpy.typing import NDArray

from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS, POLARIZATIONS, array_path
from tasks.imagery.platform import Tiles, Traffic
from tasks.places.draws import Draws
from tasks.places.patches import Patch
from tasks.release.making import Made, make_release
from tasks.scenes.looks import mask_of, role_of
from tasks.scenes.roles import sensor_of
from tasks.scenes.scenes import Acquisitions, Candidates, Nearby, Scenes, Sentinel1Scenes, Sentinel2Scenes
from tasks.shards.description import Description, need_description
from tasks.shards.destinations import Destination
from tasks.shards.layout import samples_object
from tasks.shards.release_files import put_release
from tasks.shards.rows import decode_rows
from tasks.spec import Splits
from tests.archive import EPSG
from tests.unit.builders import MadeUp, described, made_up_builder

DAY = 86_400_000_000
GAP = 19 * 3_600_000_000
"""Of every Sentinel-1 acquisition after one of Sentinel-2; microseconds."""

PIXELS = 32


class Dated(MadeUp):
    """A platform with an acquisition of Sentinel-2 on each of several days, and one of Sentinel-1 19 hours later.

    Pixels differ by place and acquisition; a corner of each has no data.
    """

    def __init__(self, clouds: Mapping[str, float], *, masks: Sequence[str] = (), lonely: str = "") -> None:
        """`clouds` are percent by day; on the day `lonely` the west alone is seen, up to 9.2 E, else up to 9.4 E."""
        super().__init__(roles=())
        self.masks, self._days, self._lonely, self._cover = masks, list(clouds), lonely, list(clouds.values())

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        days = len(self._days)
        near = np.repeat(np.arange(len(draws)), days), np.tile(np.arange(days), len(draws))
        return {role: Nearby(scenes=self._scenes_of(role), draw=near[0], scene=near[1]) for role in self.roles}

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        arrays: dict[str, NDArray[Any]] = {}
        for look, one in acquisitions.items():
            random = np.random.default_rng([patch.xmin, patch.ymax, one.time % 1_000_003])
            arrays[array_path(self.name, look)] = _speckle(role_of(look), patch, random)
            if role_of(look) in self.masks:
                mask = random.integers(0, 101, patch.shape).astype(np.uint8)
                mask[0, :4] = 255
                arrays[array_path(self.name, mask_of(look))] = mask
        return Tiles(arrays=arrays)

    roles: Sequence[str] = ()

    def _scenes_of(self, role: str) -> Scenes:
        count = len(self._days)
        times = np.array([np.datetime64(day, "us").astype(np.int64) for day in self._days]) + 10 * 3_600_000_000
        footprint = np.empty(count, object)
        footprint[:] = [shapely.box(8, 44, 9.2 if day == self._lonely else 9.4, 46) for day in self._days]
        sensor = sensor_of(role)
        common: dict[str, Any] = {
            "id": np.array([f"{sensor[:1].upper()}-{role[:2]}-{day}" for day in self._days], object),
            "footprint": footprint,
            "orbit": np.array([8 + at for at in range(count)]),
        }
        if sensor == "sentinel2":
            return Sentinel2Scenes(
                time=times, epsg=np.full(count, EPSG), tile=np.array(["32TMR"] * count, object),
                datatake=np.array(self._days, object), baseline=np.array(["02.06"] * count, object),
                processed=np.zeros(count, np.int64), cloud_cover=np.array(self._cover, float), **common,
            )  # fmt: skip
        return Sentinel1Scenes(
            time=times + GAP, product=np.array([f"S1-{day}" for day in self._days], object),
            direction=np.array(["ascending", "descending"] * count, object)[:count], **common,
        )  # fmt: skip


def _speckle(role: str, patch: Patch, random: np.random.Generator) -> NDArray[Any]:
    if sensor_of(role) == "sentinel2":
        made = (1 + random.gamma(3, 400, (len(BANDS), *patch.shape))).astype(np.uint16)
        made[:, :3, :5] = 0
        return made
    made = random.normal(-12, 4, (len(POLARIZATIONS), *patch.shape)).astype(np.float32)
    made[:, -2:] = np.nan
    return made


@dataclass(kw_only=True)
class Looked:
    """A corpus that was built and released, and what is in it as other software reads it."""

    destination: Destination
    made: Made
    """Its release."""
    folder: Path
    """Of the release before it was put: files by their names."""
    stored: dict[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])

    @cached_property
    def description(self) -> Description:
        return need_description(self.destination)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All rows, by their place in the arrays."""
        tables = [decode_rows(self._object(samples_object(shard))) for shard in range(self.description.shards)]
        return pd.concat([pd.DataFrame(table) for table in tables]).set_index("sample", drop=False)

    @property
    def served(self) -> pd.DataFrame:
        """Rows with pixels."""
        return self.rows[self.rows["missing"].isna()]

    def pixels(self, path: str) -> NDArray[Any]:
        """An array as zarr reads it: (sample[, time], ...), as stored."""
        if path not in self.stored:
            self.stored[path] = np.asarray(zarr.open_array(self.destination.location, mode="r", path=path)[:])
        return self.stored[path]

    def released(self, name: str) -> bytes:
        """A file of the release."""
        return self._object(f"release/{name}")

    def _object(self, path: str) -> bytes:
        content = self.destination.get(path)
        assert content is not None, path
        return content


def look_at(folder: Path, platform: Dated, **changes: Any) -> Looked:
    """Build and release a corpus of the platform; the rows of a shard are in the splits by turns."""

    def by_turns(lon: NDArray[Any], lat: NDArray[Any], seed: int, shares: Splits) -> NDArray[np.object_]:
        return np.resize(np.array(["train", "train", "test"], object), len(lon))

    values: dict[str, Any] = {"pairing": {}, "patch": {"pixels": PIXELS}, "shard_size": 3} | changes
    builder = made_up_builder(folder, platform, **values)
    platform.roles = list(builder.spec.roles)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.shards.rows.split_of", by_turns)
        for shard in range(described(builder).shards):
            make_shard(builder, shard)
    destination, release = builder.destinations[0], folder / "made"
    release.mkdir()
    made = make_release(destination, release)
    put_release([destination], made.files)
    return Looked(destination=destination, made=made, folder=release)


def three_roles(folder: Path) -> Looked:
    """Cloudy and clear Sentinel-2 and Sentinel-1 at six random places, in two shards; the clear one has a mask."""
    region = folder / "region.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.box(9.0, 45.1, 9.1, 45.15)], crs=4326).to_file(region)
    return look_at(
        folder,
        Dated({"2018-05-03": 5.0, "2018-05-08": 60.0}, masks=["s2_clear"]),
        name="triplets",
        size=6,
        places={"random": str(region)},
        acquisitions={
            "s2_clear": {"search_days": 400, "cloud_cover": [0, 20], "mask": "cloud"},
            "s2_cloudy": {"near": "s2_clear", "max_days": 14, "cloud_cover": [40, 100]},
            "s1": {"near": "s2_clear", "max_days": 3},
        },
    )


def three_dates(folder: Path) -> Looked:
    """Pairs with a mask of Sentinel-2 at three dates of six listed places; the second day is seen in the west alone.

    The fifth place lacks that date, the sixth all of them.
    """
    lons = [9.10, 9.12, 9.14, 9.16, 9.30, 9.50]
    gpd.GeoDataFrame(geometry=[shapely.Point(lon, 45.14) for lon in lons], crs=4326).to_file(folder / "sites.gpkg")
    return look_at(
        folder,
        Dated({"2018-03-01": 5.0, "2018-07-01": 60.0, "2018-11-01": 20.0}, masks=["s2"], lonely="2018-07-01"),
        name="series",
        size=None,
        places={"points": str(folder / "sites.gpkg")},
        acquisitions={"s2": {"mask": "cloud"}, "s1": {"near": "s2", "max_days": 3}},
        instants={"slices": 3},
    )

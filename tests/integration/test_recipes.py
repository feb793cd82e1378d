"""The recipes in deployments/corpora/recipes, each built on the demo archive: cut down, otherwise as they stand.

What differs is the places, the window, the size (patches of 32 pixels, shards of a few samples) and the platform; and,
because the demo has no Earth Engine, where the labels that it would send come from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import yaml
import zarr
from numpy.typing import NDArray

from tasks.assembly.builder import open_builder
from tasks.assembly.shard import make_shard
from tasks.demo.square import EPSG
from tasks.imagery.bands import BANDS
from tasks.published.cataloguing import cataloguing_of
from tasks.release.pairing_report import pairing_report
from tasks.shards.description import describe_everywhere
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows
from tasks.shards.verification import verify_shard
from tasks.spec import CorpusSpec, load_spec
from tasks.spec.yaml_file import read_spec_file
from tests.unit.published.made_zones import world
from tests.unit.published.made_zones import write as write_zones

RECIPES = Path(__file__).parents[2] / "deployments/corpora/recipes"

YEAR = ["2018-12-01", "2019-12-01"]
"""Of the demo archive, in which it has dates in all seasons."""

PIXELS = 32

CLASSES = {"raster": "labels/zones.tif"}
"""What stands for land cover: classes from 1 to 17."""

VALUES = {**CLASSES, "kind": "values"}
"""What stands for what is measured."""

CUT: dict[str, dict[str, Any]] = {
    "sen12": {"random": "strata"},
    "sen12ms": {"random": "strata", "labels": {"modis": CLASSES}},
    "sen12ms-cr": {"random": "strata"},
    "sen12ms-cr-ts": {"cover": "regions"},
    "so2sat-lcz42": {"points": "zones"},
    "mapinwild": {
        "points": "protected",
        "labels": {
            "worldcover": CLASSES,
            "viirs": VALUES | {"step": 0.1},
            "protected": {"vectors": "labels/protected.fgb"},
        },
    },
    "sen12tp": {"random": "year", "labels": {"worldcover": CLASSES, "height": VALUES | {"step": 0.5}}},
    "ssl4eo-s12": {"random": "urban"},
    "continuous-region": {"cover": "year"},
}


@dataclass(frozen=True)
class Made:
    """A recipe, and shard 0 of what it makes."""

    spec: CorpusSpec
    group: zarr.Group
    rows: pd.DataFrame
    report: bytes

    def array(self, path: str) -> NDArray[Any]:
        """Of the samples of the shard: (sample, ...)."""
        found = self.group[path]
        assert isinstance(found, zarr.Array)
        return np.asarray(found[: len(self.rows)])


def cut(name: str, archive: Path, folder: Path) -> CorpusSpec:
    """A recipe as it is built on the demo archive."""
    spec, changes = read_spec_file(RECIPES / f"{name}.yaml").content, CUT[name]
    files = {one: str(archive / "places" / f"{one}.geojson") for one in ("year", "regions", "urban", "zones")}
    files["protected"] = str(archive / "places/protected.geojson")
    places = spec["places"]
    for mode in {"random", "cover", "points"} & changes.keys():
        if changes[mode] == "strata":
            town, land = places["random"]
            places["random"] = [town | {"region": files["urban"]}, land | {"region": files["year"]}]
        else:
            places[mode] = files[changes[mode]]
    for label in spec.get("labels", []):
        ((called, source),) = label.items()
        kept = {key: value for key, value in source.items() if key not in ("earthengine", "raster", "vectors", "bands")}
        label[called] = kept | {
            key: str(archive / value) if key in ("raster", "vectors") else value
            for key, value in changes["labels"][called].items()
        }
    catalog = {"catalog": str(archive), "sentinel2_b10": "sentinel-2-l1c", "name": "demo"}
    own = {"patch": {"pixels": PIXELS}, "shard_size": 3, "window": YEAR, "platforms": [{"stac": catalog}]}
    spec |= own | {"destinations": [str(folder / "corpus")]} | ({"size": 3} if "size" in spec else {})
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return load_spec(path)


@pytest.fixture(scope="module")
def make(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Builds shard 0 of a recipe, once."""

    @cache
    def made(name: str) -> Made:
        spec = cut(name, archive, tmp_path_factory.mktemp("recipe"))
        builder = open_builder(spec)
        destination = builder.destinations[0]
        describe_everywhere(builder.destinations, builder.description)
        make_shard(builder, 0)
        assert not verify_shard(destination, builder.description, 0, deep=True)
        content = destination.get(samples_object(0))
        assert content is not None
        group = zarr.open_group(destination.store(), mode="r")
        return Made(spec, group, pd.DataFrame(decode_rows(content)), pairing_report(destination))

    return made


def test_there_is_a_recipe_for_every_corpus_of_the_family() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == {*CUT}


@pytest.mark.parametrize("name", sorted(CUT))
def test_a_recipe_is_twenty_lines_and_says_what_it_gives_and_what_it_cannot(name: str) -> None:
    load_spec(RECIPES / f"{name}.yaml")
    lines = (RECIPES / f"{name}.yaml").read_text().splitlines()
    told = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    assert len([line for line in lines if not line.startswith("#")]) <= 20
    assert "Gives " in told
    assert "Cannot give " in told


@pytest.mark.parametrize("name", sorted(CUT))
def test_a_recipe_builds_its_arrays_and_every_place_has_pixels(name: str, make: Callable[[str], Made]) -> None:
    made = make(name)
    dates, samples = made.spec.dates, len(made.rows)
    time = () if dates == 1 else (dates,)
    for role, limits in made.spec.roles.items():
        channels = 13 if role.startswith("s2") else 2
        pixels = made.array(f"demo/{role}")
        assert pixels.shape == (samples, *time, channels, PIXELS, PIXELS)
        if role.startswith("s2"):
            assert pixels.any(axis=(-2, -1)).all(axis=-1).mean() > 0.4, "all bands, of most dates"
            assert (limits.mask is not None) == (f"demo/{role}_cloud" in made.group)
    for label in made.spec.label_items:
        assert made.array(f"labels/{label.name}").shape == (samples, PIXELS, PIXELS)
    assert samples == 3
    assert made.rows["missing"].isna().all()


def test_sen12_is_of_nearly_cloudless_scenes(make: Callable[[str], Made]) -> None:
    rows = make("sen12").rows
    assert (rows["s2_cloud_cover"] <= 1).all()
    assert (rows["gap_hours"].abs() <= 12 * 24).all()
    assert rows["stratum"].value_counts().tolist() == [2, 1], "land and towns, as their shares say"


def test_level_1c_is_brighter_in_blue_than_surface_reflectance_of_the_same_dates(make: Callable[[str], Made]) -> None:
    top, surface = make("sen12"), make("sen12tp")
    blue = BANDS.index("B01")
    assert top.array("demo/s2")[:, blue].mean() > surface.array("demo/s2")[:, blue].mean() + 600


def test_sen12ms_rows_have_the_shares_of_land_cover(make: Callable[[str], Made]) -> None:
    made = make("sen12ms")
    modis = made.array("labels/modis")
    shares = made.rows[[column for column in made.rows if column.startswith("modis_")]]
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-6)
    first = f"modis_{int(modis[0, 0, 0])}"
    assert made.rows[first].iloc[0] == pytest.approx((modis[0] == modis[0, 0, 0]).mean())


def test_sen12ms_cr_has_a_clear_and_a_cloudy_date_of_which_the_mask_tells_the_pixels(
    make: Callable[[str], Made],
) -> None:
    made = make("sen12ms-cr")
    rows, mask = made.rows, made.array("demo/s2_cloudy_cloud")
    assert (rows["s2_cloud_cover"] <= 10).all()
    days = (rows["s2_cloudy_time"] - rows["s2_time"]).dt.total_seconds() / 86_400
    assert ((days.abs() > 0.5) & (days.abs() <= 14)).all()
    assert ((rows["s1_time"] - rows["s2_cloudy_time"]).dt.total_seconds().abs() <= 6 * 86_400).all()
    assert {*np.unique(mask)} <= {0, 100}
    assert 0.05 < (mask == 100).mean() < 0.95
    assert rows["s2_cloudy_clear"].to_numpy() == pytest.approx((mask < 40).mean(axis=(1, 2)))
    blue, cloudy = BANDS.index("B02"), made.array("demo/s2_cloudy")
    assert (cloudy[:, blue][mask == 100] > 3_000).mean() > 0.9, "half of a cloud's light at least"
    assert (cloudy[:, blue][mask == 0] < 4_500).mean() > 0.9
    assert (made.array("demo/s2")[:, blue][mask == 100] < 3_000).mean() > 0.9, "the other date is clear there"


def test_sen12ms_cr_ts_keeps_the_dates_there_are_and_says_why_others_lack(make: Callable[[str], Made]) -> None:
    made = make("sen12ms-cr-ts")
    rows, s2 = made.rows, made.array("demo/s2")
    there = s2.any(axis=(2, 3, 4))
    assert there.sum(axis=1).min() >= 12
    assert not there.all()
    for row, times in enumerate(rows["s2_time"]):
        assert [time is not None and not pd.isna(time) for time in times] == there[row].tolist()
    mask = made.array("demo/s2_cloud")
    assert (mask[~there] == 255).all()
    clear = np.array([[np.nan if one is None else one for one in row] for row in rows["s2_clear"]], float)
    assert np.allclose(clear[there], (mask < 40).mean(axis=(2, 3))[there])
    assert {"roi", "split"} <= {*rows}
    assert {*rows["split"]} <= {"train", "validation", "test"}


def test_so2sat_has_four_seasons_and_the_zone_of_each_point(make: Callable[[str], Made]) -> None:
    made = make("so2sat-lcz42")
    for times in made.rows["s2_time"]:
        assert [pd.Timestamp(time).month // 3 % 4 for time in times] == [0, 1, 2, 3]
    assert made.rows["label"].between(1, 17).all()
    assert made.rows["city"].notna().all()


def test_places_of_so2sat_as_it_was_published_are_samples_on_its_very_grids(archive: Path, tmp_path: Path) -> None:
    """Two of the demo's points stand for published patches: corners off the lattice, told as world files tell them."""
    sites = gpd.read_file(archive / "places" / "zones.geojson").iloc[[0, -1]]
    centres = sites.to_crs(EPSG).geometry
    held = np.stack([centres.x - 160 + 5.858, centres.y + 160 - 0.57], axis=1)
    zones, of_sites = sites["label"].tolist(), {"epsg": [EPSG] * 2, "city": sites["city"].tolist()}
    write_zones(tmp_path / "set", "training", zones, tfw=world(held), **of_sites)
    made = cataloguing_of("so2sat", tmp_path / "set", tmp_path / "out").write(lambda _: None)
    catalog = {"catalog": str(archive), "sentinel2_b10": "sentinel-2-l1c", "name": "demo"}
    spec = read_spec_file(made.spec).content | {"window": YEAR, "platforms": [{"stac": catalog}], "shard_size": 2}
    made.spec.write_text(yaml.safe_dump(spec), encoding="utf-8")
    builder = open_builder(load_spec(made.spec))
    describe_everywhere(builder.destinations, builder.description)
    make_shard(builder, 0)
    content = builder.destinations[0].get(samples_object(0))
    assert content is not None
    rows = pd.DataFrame(decode_rows(content))
    assert rows[["place_id", "label", "split"]].to_numpy().tolist() == [
        [f"training_{row}", zone, "train"] for row, zone in enumerate(zones)
    ]
    assert rows["city"].tolist() == [name.lower() for name in sites["city"]]
    np.testing.assert_allclose(rows[["xmin", "ymax"]].to_numpy(), held, atol=1e-6)
    pixels = zarr.open_group(builder.destinations[0].store(), mode="r")["demo/s2"]
    assert isinstance(pixels, zarr.Array)
    assert pixels.shape == (2, 4, 13, 32, 32)
    assert (np.asarray(pixels[:]) > 0).mean() > 0.9


def test_mapinwild_has_the_protected_area_that_a_place_is_in(make: Callable[[str], Made]) -> None:
    made = make("mapinwild")
    protected = made.array("labels/protected")
    centre = protected[:, PIXELS // 2, PIXELS // 2]
    classes = {"Ia": 1, "Ib": 2, "II": 3}
    assert centre.tolist() == [classes.get(category, 0) for category in made.rows["IUCN_CAT"]]
    assert made.rows["WDPA_PID"].str.startswith("INVENTED-").all()
    assert made.array("labels/viirs").dtype == np.int16


def test_sen12tp_has_pairs_within_twelve_hours(make: Callable[[str], Made]) -> None:
    assert (make("sen12tp").rows["gap_hours"].abs() <= 12).all()


def test_a_continuous_region_has_no_gap_between_its_patches(make: Callable[[str], Made]) -> None:
    rows = make("continuous-region").rows
    steps = {tuple(abs(step) for step in pair) for pair in np.diff(rows[["xmin", "ymin"]].to_numpy(), axis=0)}
    assert (10 * PIXELS, 0) in steps or (0, 10 * PIXELS) in steps


def test_rows_tell_satellites_sun_and_incidence(make: Callable[[str], Made]) -> None:
    rows = make("sen12ms-cr").rows
    assert {*rows["s2_satellite"]} <= {"S2A", "S2B"}
    assert {*rows["s1_satellite"]} == {"S1A"}
    assert rows["s2_sun_elevation"].between(15, 66).all()
    assert rows["s1_incidence"].between(30, 46).all()

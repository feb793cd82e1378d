"""Planning, limits and remedies of corpora with several roles or dates."""

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from flows.command.planning import show_estimate, write_plan
from tasks.assembly.builder import Builder
from tasks.assembly.filling import remedy
from tasks.doctor.contents import examine_window
from tasks.doctor.limits import examine_limits
from tasks.errors import CorpusError
from tasks.planning.feasibility import refuse_hopeless
from tasks.planning.plan import plan
from tasks.settings import Settings
from tests.unit.builders import made_up_builder, spec_over
from tests.unit.looked import Dated

PAIRS = {"s2": {}, "s1": {"near": "s2", "max_days": 3}}


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """Three places under the platform's scenes, the last of them in the east."""
    points = [shapely.Point(lon, 45.14) for lon in (9.10, 9.12, 9.30)]
    gpd.GeoDataFrame(geometry=points, crs=4326).to_file(tmp_path / "sites.gpkg")
    return tmp_path


def dated(folder: Path, **changes: object) -> Builder:
    platform = Dated({"2018-03-01": 5.0, "2018-08-01": 60.0}, lonely="2018-08-01")
    values = {
        "pairing": {}, "size": None, "places": {"points": str(folder / "sites.gpkg")},
        "acquisitions": PAIRS, "instants": {"slices": 2},
    }  # fmt: skip
    builder = made_up_builder(folder, platform, **{**values, **changes})  # pyright: ignore[reportArgumentType]
    platform.roles = list(builder.spec.roles)
    return builder


def test_a_plan_of_dates_has_lists_and_the_reasons_of_what_is_missing(places: Path) -> None:
    rows = plan(dated(places), range(1))
    assert rows["missing"].isna().all()
    assert [list(one) for one in rows["missing_dates"]] == [[None, None], [None, None], [None, "outside-window"]]
    assert [list(one) for one in rows["gap_hours"]] == [[19, 19], [19, 19], [19, None]]


@pytest.mark.parametrize("name", ["plan.parquet", "plan.gpkg", "plan.geojson", "plan.fgb"])
def test_a_plan_of_dates_is_written_in_any_format(
    places: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = dated(places)
    monkeypatch.setattr("tasks.assembly.builder.open_builder", lambda _: builder)
    write_plan(builder.spec, "0", places / name)
    told = capsys.readouterr().out
    assert "3 candidates, 3 paired" in told
    assert "1 dates of them without pixels: no Sentinel-2 scene within the window" in told
    assert "gap 19.0 / 19.0 / 19.0 h" in told
    if name.endswith(".parquet"):
        found = gpd.read_parquet(places / name)
        assert [one is None for one in found["missing_dates"][2]] == [True, False]
        return
    found = gpd.read_file(places / name).sort_values("sample", ignore_index=True)  # one format orders by place
    ids, times = (
        [json.loads(one) if isinstance(one, str) else list(one) for one in found[column]]
        for column in ("stac_s2_id", "s2_time")
    )
    assert ids[0] == ["S-s2-2018-03-01", "S-s2-2018-08-01"]
    assert (ids[2][1], times[2][1]) == (None, None)
    assert [pd.Timestamp(one) for one in times[0]] == [
        pd.Timestamp("2018-03-01T10:00Z"), pd.Timestamp("2018-08-01T10:00Z")
    ]  # fmt: skip


def test_a_plan_of_roles_tells_the_gap_of_each(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = {"s2_a": {"search_days": 400, "cloud_cover": [0, 9]}, "s2_b": {"near": "s2_a", "max_days": 200}}
    builder = dated(places, acquisitions=roles, instants=None)
    monkeypatch.setattr("tasks.assembly.builder.open_builder", lambda _: builder)
    write_plan(builder.spec, "0", places / "plan.parquet")
    told = capsys.readouterr().out
    assert "3 candidates, 2 paired" in told
    assert "1 no Sentinel-2 scene for a further role within its max_days and cloud_cover" in told
    assert "gap of s2_b to s2_a 3672.0 / 3672.0 / 3672.0 h" in told


def test_an_estimate_tells_roles_and_dates(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_estimate(dated(places).spec)
    assert "each sample has 4 acquisitions of every platform: s2, s1 at 2 dates" in capsys.readouterr().out


def test_the_remedy_speaks_of_the_keys_of_the_spec(places: Path) -> None:
    plain = spec_over(places)
    assert "max_gap_days" in remedy(plain)
    builder = dated(places, acquisitions={"s2": {}, "s1": {"near": "s2", "max_days": 0.1}})
    assert "max_gap_days" not in remedy(builder.spec)
    with pytest.raises(CorpusError, match="max_days or cloud_cover of the roles, use fewer instants, or use"):
        refuse_hopeless(builder, 1)


def test_doctor_knows_missions_parts_and_memory(places: Path) -> None:
    alone = dated(places, acquisitions={"s2": {}}, instants={"seasons": 4}, window=["2018-01-01", "2019-04-01"])
    (window,) = examine_window(alone.spec)
    assert window.found == "2018-01-01 to 2019-04-01, in 4 parts, within Sentinel-2"
    early = alone.spec.model_copy(update={"acquisitions": None, "instants": None})
    assert "both missions" in examine_window(early)[0].found
    memory: list[float] = []
    for instants in (None, {"slices": 8}):
        spec = dated(places, shard_size=500, patch={"pixels": 128}, instants=instants).spec
        told = examine_limits(spec, Settings())[-1].found
        memory.append(float(told.split("about ")[1].split(" GB")[0]))
    once, often = memory
    assert often == pytest.approx(8 * once, rel=0.1)

"""What the page knows of samples is what their rows say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.places.world import world
from tasks.release.page.countries import country_of
from tasks.release.page.facts import DEGREE, NO_CLOUD, NO_GAP, Scheme, collect, gap_code
from tasks.scenes.reasons import Reason
from tests.unit.release.page.made import COVER, rows_of, table_of
from tests.unit.shards.made import small

SCHEME = Scheme(description=small(layers={"cover": COVER}))
ROWS = rows_of(200)


@given(hours=st.floats(-72, 72), bins=st.integers(1, 12))
def test_bins_of_the_gap_next_to_the_middle_are_those_below_a_limit(hours: float, bins: int) -> None:
    (code,) = gap_code(np.array([hours]), 6, 12)
    assert (12 - bins + 1 <= code <= 12 + bins) == (abs(hours) < 6 * bins or bins == 12)
    assert (code <= 12) == (hours < 0)


@pytest.mark.parametrize(
    ("days", "step", "bins"), [(3, 6, 12), (0.5, 1, 12), (1, 2, 12), (5, 12, 10), (0.01, 0.25, 1), (400, 96, 60)]
)
def test_bins_suit_the_largest_gap_of_the_spec(days: float, step: float, bins: int) -> None:
    here = small()
    found = Scheme(description=replace(here, spec=here.spec | {"pairing": {"max_gap_days": days}}))
    assert (found.gap_step, found.gap_bins) == (step, bins)


def test_columns_are_those_of_the_rows() -> None:
    found = collect([table_of(ROWS.iloc[:50]), table_of(ROWS.iloc[50:])], SCHEME).columns
    assert {len(values) for values in found.values()} == {200}
    assert found["sample"].tolist() == ROWS["sample"].tolist()
    assert np.abs(found["lon"] / DEGREE - ROWS["lon"]).max() < 1e-5
    assert [SCHEME.splits[code - 1] for code in found["split"]] == ROWS["split"].tolist()
    gone = ROWS["missing"].notna().to_numpy()
    assert (found["missing"] > 0).tolist() == gone.tolist()
    assert {list(Reason)[code - 1] for code in found["missing"] if code} == {Reason.TOO_CLOUDY}
    month = ROWS["s2_time"].dt.month.fillna(0).astype(int)
    assert found["month"].tolist() == month.tolist()
    cloud = ROWS["s2_cloud_cover"]
    assert ((found["cloud_tenths"] == NO_CLOUD) == cloud.isna()).all()
    assert ((found["cloud"] >= 1) & (found["cloud"] <= 2)).tolist() == (cloud < 20).tolist()
    assert ((found["gap_minutes"] == NO_GAP) == gone).all()
    top = np.where(gone, 0, 1 + ROWS[["cover_1", "cover_2", "cover_3"]].fillna(0).to_numpy().argmax(axis=1))
    assert found["label"].tolist() == found["top0"].tolist() == top.tolist()


def test_shares_of_classes_are_means_over_samples_with_pixels() -> None:
    found = collect([table_of(ROWS.iloc[:50]), table_of(ROWS.iloc[50:])], SCHEME)
    assert found.shares["cover"] == pytest.approx(ROWS[["cover_1", "cover_2", "cover_3"]].mean().to_numpy())


def test_rows_without_some_columns_have_unknown_facts() -> None:
    bare = table_of(ROWS[["sample", "crs", "lon", "lat", "split"]])
    found = collect([bare], SCHEME).columns
    for name in ("gap", "cloud", "month", "label", "missing", "direction", "time"):
        assert not found[name].any(), name


def test_columns_that_are_all_null_or_lists_are_unknown_too() -> None:
    table = table_of(ROWS[["sample", "crs", "lon", "lat", "split"]])
    table = table.append_column("gap_hours", pa.nulls(200)).append_column("place_id", pa.nulls(200))
    table = table.append_column("s2_time", pa.array([[1]] * 200)).append_column(
        "s2_cloud_cover", pa.array([[1.0]] * 200)
    )
    found = collect([table], SCHEME)
    assert not any(found.columns[name].any() for name in ("gap", "time", "cloud"))
    assert found.place_ids == {}


@pytest.mark.parametrize(
    ("lon", "lat", "name"),
    [(2.35, 48.85, "FR"), (-0.1, 51.5, "GB"), (179.0, 67.0, "RU"), (-175.0, 66.5, "RU"), (178.0, -17.8, "FJ"),
     (-30.0, 40.0, None)],
)  # fmt: skip
def test_a_place_lies_in_its_country_or_at_sea(lon: float, lat: float, name: str | None) -> None:
    (row,) = country_of(np.array([lon]), np.array([lat]))
    assert (None if row < 0 else world()["alpha2"].iloc[row]) == name


def test_only_what_is_looked_at_is_read() -> None:
    assert set(SCHEME.columns) >= {str(name) for name in ROWS.columns}
    assert "geometry" not in SCHEME.columns
    assert isinstance(ROWS, pd.DataFrame)


def test_a_corpus_without_labels_has_no_classes() -> None:
    found: Any = collect([table_of(ROWS)], Scheme(description=small()))
    assert not found.columns["label"].any()
    assert found.shares == {}

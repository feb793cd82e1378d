"""The page of a corpus with more than a pair and a date."""

import io
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tasks.release.page.facts import NO_GAP, Scheme, collect, gap_code
from tests.unit.looked import Looked
from tests.unit.shards.made import small


def card_of(corpus: Looked) -> dict[str, Any]:
    found = re.search(r"const CARD = (\{.*\});\n", corpus.released("index.html").decode())
    assert found
    return json.loads(found[1])


def facts_of(corpus: Looked) -> Any:
    return collect(
        [pq.read_table(io.BytesIO(corpus.released("samples.parquet")))], Scheme(description=corpus.description)
    )


def test_samples_of_a_series_are_told_by_their_dates_together(series: Looked) -> None:
    found = facts_of(series).columns
    assert found["dates"].tolist() == [3, 3, 3, 3, 2, 0]
    for at, (_, row) in enumerate(series.served.iterrows()):
        times = pd.Series(row["s2_time"]).dropna()
        assert pd.Timestamp(int(found["time"][at]), unit="m") == times.min()
        assert pd.Timestamp(int(found["other_time"][at]), unit="m") == times.max()
        assert found["cloud_tenths"][at] == round(10 * np.nanmean(np.asarray(row["s2_cloud_cover"], float)))
        assert found["gap_minutes"][at] == 19 * 60
    assert (found["gap_minutes"][5], found["time"][5], found["cloud"][5]) == (NO_GAP, 0, 0)
    assert not found["month"].any(), "a series has all months"


def test_histograms_of_a_series_count_its_dates(series: Looked) -> None:
    told, scheme = card_of(series), Scheme(description=series.description)
    times = pd.concat([pd.Series(one) for one in series.rows["s2_time"]]).dropna()
    clouds = np.concatenate([np.asarray(one, float) for one in series.rows["s2_cloud_cover"]])
    assert told["at_dates"]["month"] == [int((times.dt.month == month).sum()) for month in range(13)]
    assert told["at_dates"]["cloud"][1:] == np.histogram(clouds[~np.isnan(clouds)], np.arange(0, 101, 10))[0].tolist()
    bin_of_gap = int(gap_code(np.array([19.0]), scheme.gap_step, scheme.gap_bins)[0])
    assert told["at_dates"]["gap"][bin_of_gap] == sum(told["at_dates"]["gap"]) == len(times)


def test_the_card_tells_rules_and_the_gap_of_its_own_roles(triplets: Looked, series: Looked) -> None:
    roles, dates = card_of(triplets), card_of(series)
    assert roles["gap"] == ["s1", "s2_clear"]
    assert [role for role, _ in roles["rules"]] == ["s2_clear", "s2_cloudy", "s1"]
    assert roles["platforms"][0]["masks"] == ["stac/s2_clear_cloud"]
    assert roles["quicklooks"]["panels"] == ["s2_clear", "s2_cloudy", "Sentinel-1 VV / VH / ratio"]
    assert (roles["dates"], roles["at_dates"], dates["dates"]) == (1, {}, 3)
    assert facts_of(triplets).columns["gap_minutes"].tolist() == (60 * triplets.rows["gap_hours"]).tolist()


@pytest.mark.parametrize(
    ("acquisitions", "step"),
    [
        ({"s2": {}}, 6),
        ({"s2": {}, "s1": {"near": "s2", "max_days": 0.5}}, 1),
        ({"s2": {}, "s2_x": {"near": "s2", "max_days": 9}}, 24),
    ],
)
def test_bins_of_the_gap_suit_the_role_whose_gap_it_is(acquisitions: dict[str, Any], step: float) -> None:
    assert Scheme(description=small(acquisitions=acquisitions)).gap_step == step

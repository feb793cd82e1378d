"""The pairing report of a corpus: a function of its commit records."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tasks.errors import CorpusError
from tasks.report_pairing import pairing_report, report_pairing
from tasks.shards.commits import Commit
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import PAIRING, commit_object
from tasks.shards.pairing_counts import PairingCounts

SCENE = "S2A_MSIL2A_20180503T104021_N0206_R008_T32TMR_20180503T181512"


def commit(
    shard: int,
    *,
    replaced: tuple[tuple[int, str], ...] = (),
    samples: int = 8,
    missing: dict[str, int] | None = None,
) -> Commit:
    return Commit(
        shard=shard,
        rows=samples + sum((missing or {}).values()),
        samples=samples,
        missing=missing or {},
        objects=(),
        replaced=replaced,
        pairing=PairingCounts(
            tried=10, within=Counter({1: 2, 2: 4, 3: 8, 5: 9}), gaps=Counter({0: 2, 66: samples - 2})
        ),
    )


def corpus(folder: Path, *commits: Commit) -> LocalFolder:
    destination = LocalFolder(str(folder))
    for one in commits:
        destination.create(commit_object(one.shard), one.to_bytes())
    return destination


def report(destination: LocalFolder) -> dict:
    return json.loads(pairing_report(destination))


def test_the_report_adds_up_what_the_shards_counted(tmp_path: Path) -> None:
    found = report(corpus(tmp_path, commit(0), commit(1), commit(7, samples=4)))
    assert found["samples"] == 20
    assert found["candidates_tried"] == 30
    assert found["match_rate_by_gap_limit_days"] == {"1": 0.2, "2": 0.4, "3": 0.8, "5": 0.9}
    assert found["samples_by_gap_hours_in_bins_of_6"] == {"0-6": 6, "66-72": 14}


def test_rejections_are_counted_by_reason(tmp_path: Path) -> None:
    cloudy, uncovered = "every Sentinel-2 scene above the cloud limit", "no Sentinel-2 scene covers the patch"
    found = report(
        corpus(tmp_path, commit(0, replaced=((1, cloudy), (2, uncovered))), commit(1, replaced=((3, cloudy),)))
    )
    assert found["candidates_rejected"] == {cloudy: 2, uncovered: 1}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{SCENE}: the archive has no file B04.tif", f"{SCENE[::-1]}: the archive has no file B04.tif"),
        (
            "other: S2A 20180503T104021 32TMR: not in its catalogue",
            "other: S2B 20180508T104021 32TNR: not in its catalogue",
        ),
    ],
)  # fmt: skip
def test_reasons_that_name_scenes_are_one_reason(tmp_path: Path, first: str, second: str) -> None:
    found = report(corpus(tmp_path, commit(0, replaced=((1, first), (2, second)))))
    assert list(found["candidates_rejected"].values()) == [2]


def test_listed_places_without_pixels_are_counted_by_reason(tmp_path: Path) -> None:
    shards = [commit(0, missing={"no scene": 2, "gone": 1}), commit(1), commit(2, missing={"no scene": 5})]
    assert report(corpus(tmp_path, *shards))["places_without_pixels"] == {"gone": 1, "no scene": 7}
    assert report(corpus(tmp_path / "random", commit(0)))["places_without_pixels"] == {}


def test_a_damaged_record_is_not_passed_over(tmp_path: Path) -> None:
    destination = corpus(tmp_path, commit(0), commit(1))
    destination.put(commit_object(1), b"{}")
    with pytest.raises(CorpusError, match=r"shard-00001\.json: is damaged"):
        pairing_report(destination)


def test_the_report_is_a_function_of_the_commits(tmp_path: Path) -> None:
    shards = [commit(n, replaced=((n, f"reason {n % 2}"),)) for n in range(4)]
    first, second = corpus(tmp_path / "a", *shards), corpus(tmp_path / "b", *reversed(shards))
    second.put("runs/shard-00000.json", b"{}")
    assert pairing_report(first) == pairing_report(second)
    second.delete(commit_object(3))
    assert pairing_report(first) != pairing_report(second)


def test_a_corpus_without_shards_has_an_empty_report(tmp_path: Path) -> None:
    found = report(corpus(tmp_path))
    assert (found["samples"], found["candidates_tried"], found["match_rate_by_gap_limit_days"]) == (0, 0, {})


def test_the_report_is_put_in_every_destination_once(tmp_path: Path) -> None:
    first, second = corpus(tmp_path / "a", commit(0)), LocalFolder(str(tmp_path / "b"))
    places = (str(tmp_path / "a"), str(tmp_path / "b"))
    report_pairing.fn(places)
    assert first.get(PAIRING) == second.get(PAIRING) == pairing_report(first)
    before = (tmp_path / "a" / PAIRING).stat().st_mtime_ns
    report_pairing.fn(places)
    assert (tmp_path / "a" / PAIRING).stat().st_mtime_ns == before

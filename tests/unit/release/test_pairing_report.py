"""The pairing report of a corpus: a function of its commit records."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tasks.errors import CorpusError
from tasks.release.pairing_report import pairing_report
from tasks.scenes.reasons import Reason, Rejection
from tasks.shards.commits import Commit, RejectedCell
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object
from tasks.shards.pairing_counts import PairingCounts


def rejected(*reasons: Reason, scene: str | None = None) -> tuple[RejectedCell, ...]:
    return tuple(
        RejectedCell(cell=cell, why=Rejection(reason=reason, scene=scene and f"{scene}-{cell}"))
        for cell, reason in enumerate(reasons)
    )


def commit(
    shard: int,
    *,
    replaced: tuple[RejectedCell, ...] = (),
    samples: int = 8,
    missing: tuple[RejectedCell, ...] = (),
) -> Commit:
    return Commit(
        shard=shard,
        rows=samples + len(missing),
        objects=(),
        replaced=replaced,
        missing=missing,
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


def test_rejections_are_counted_by_code(tmp_path: Path) -> None:
    first = rejected(Reason.TOO_CLOUDY, Reason.NOT_COVERED)
    found = report(corpus(tmp_path, commit(0, replaced=first), commit(1, replaced=rejected(Reason.TOO_CLOUDY))))
    assert found["candidates_rejected"] == {"too-cloudy": 2, "not-covered": 1}


@pytest.mark.parametrize("reason", [Reason.NO_FILE, Reason.NOT_IN_CATALOGUE, Reason.REFUSED])
def test_a_reason_is_one_whichever_scene_it_names(tmp_path: Path, reason: Reason) -> None:
    found = report(corpus(tmp_path, commit(0, replaced=rejected(reason, reason, scene="S2A_MSIL2A_20180503T104021"))))
    assert found["candidates_rejected"] == {str(reason): 2}


def test_listed_places_without_pixels_are_counted_by_code(tmp_path: Path) -> None:
    none, gone = Reason.NO_SENTINEL2, Reason.REFUSED
    shards = [commit(0, missing=rejected(none, none, gone)), commit(1), commit(2, missing=rejected(*[none] * 5))]
    assert report(corpus(tmp_path, *shards))["places_without_pixels"] == {"refused": 1, "no-sentinel2": 7}
    assert report(corpus(tmp_path / "random", commit(0)))["places_without_pixels"] == {}


def test_a_damaged_record_is_not_passed_over(tmp_path: Path) -> None:
    destination = corpus(tmp_path, commit(0), commit(1))
    destination.put(commit_object(1), b"{}")
    with pytest.raises(CorpusError, match=r"shard-00001\.json: is damaged"):
        pairing_report(destination)


def test_the_report_is_a_function_of_the_commits(tmp_path: Path) -> None:
    shards = [commit(n, replaced=rejected([Reason.TOO_FAR, Reason.NO_FILE][n % 2])) for n in range(4)]
    first, second = corpus(tmp_path / "a", *shards), corpus(tmp_path / "b", *reversed(shards))
    second.put("runs/shard-00000.json", b"{}")
    assert pairing_report(first) == pairing_report(second)
    second.delete(commit_object(3))
    assert pairing_report(first) != pairing_report(second)


def test_a_corpus_without_shards_has_an_empty_report(tmp_path: Path) -> None:
    found = report(corpus(tmp_path))
    assert (found["samples"], found["candidates_tried"], found["match_rate_by_gap_limit_days"]) == (0, 0, {})


def test_the_match_rate_is_told_by_year_and_continent_so_that_a_skew_is_seen(tmp_path: Path) -> None:
    early = commit(0)
    for where, paired in ((("Africa", 2018), False), (("Africa", 2018), False), (("Europe", 2018), True)):
        early.pairing.ask(where, paired=paired)
    late = commit(1)
    late.pairing.ask(("Africa", 2019), paired=True)
    found = report(corpus(tmp_path, early, late, commit(2)))
    assert found["match_rate_by_year"] == {
        "2018": {"asked": 3, "paired": 1, "rate": 0.3333},
        "2019": {"asked": 1, "paired": 1, "rate": 1.0},
    }
    assert {name: told["rate"] for name, told in found["match_rate_by_continent"].items()} == {
        "Africa": 0.3333, "Europe": 1.0
    }  # fmt: skip
    assert found["match_rate_by_continent_and_year"]["Africa 2018"] == {"asked": 2, "paired": 0, "rate": 0.0}


def test_shards_of_earlier_versions_tell_no_continents(tmp_path: Path) -> None:
    assert report(corpus(tmp_path, commit(0)))["match_rate_by_continent"] == {}

"""One shard: where what it takes comes from, what it leaves behind, and what is said when it cannot be made."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.assembly.builder import Builder
from tasks.assembly.shard import make_shard
from tasks.errors import (
    CandidatesExhausted,
    CorpusError,
    NotUnderstood,
    PixelsError,
    PlatformUnreachable,
    SceneUnavailable,
)
from tasks.places.patches import Patch
from tasks.scenes.reasons import Reason
from tasks.shards.commits import StoredObject, read_commit
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object, quicklooks_object, run_object, samples_object
from tasks.shards.repair import repair
from tasks.shards.rows import decode_rows
from tasks.shards.survey import survey
from tasks.shards.verification import verify_shard
from tests.unit.builders import MadeUp, described, made_up_builder

SAID = "Asset 4711 expired: ask the help desk (ticket 0815)."
"""What a server says, and what must be found nowhere but in `runs/`."""


def in_both(folder: Path, platform: MadeUp, **changes: object) -> Builder:
    """A builder of one corpus in two destinations."""
    places = [str(folder / "one"), str(folder / "two")]
    return made_up_builder(folder, platform, **{"destinations": places, **changes})


def objects(folder: Path) -> dict[str, bytes]:
    """Everything in a destination but `runs/`, by path."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path: content for path, content in files.items() if not path.startswith("runs/")}


def run_record(builder: Builder, shard: int = 0) -> dict:
    return json.loads(builder.destinations[0].get(run_object(shard)) or b"")


# Two destinations


def test_a_shard_is_put_in_every_destination_with_the_same_bytes(tmp_path: Path) -> None:
    builder = in_both(tmp_path, MadeUp())
    described(builder)
    make_shard(builder, 0)
    assert commit_object(0) in objects(tmp_path / "one")
    assert objects(tmp_path / "one") == objects(tmp_path / "two")


def test_what_one_destination_has_is_copied_to_the_other_and_asked_of_nobody(tmp_path: Path) -> None:
    platform = MadeUp()
    builder = in_both(tmp_path, platform)
    description = described(builder)
    make_shard(builder, 0)
    # The second destination has lost its record, and the first one an object that its own record names.
    (tmp_path / "two" / commit_object(0)).unlink()
    (tmp_path / "two" / samples_object(0)).unlink()
    asked = platform.asked
    report = make_shard(builder, 0)
    assert report.copied and report.samples == 5
    assert platform.asked == asked
    assert objects(tmp_path / "one") == objects(tmp_path / "two")
    assert not verify_shard(builder.destinations[1], description, 0)
    assert run_record(builder)["copied"] is True


def test_the_pictures_of_a_shard_are_recorded_and_fetched_from_the_other_copy_when_damaged(tmp_path: Path) -> None:
    builder = in_both(tmp_path, MadeUp())
    description = described(builder)
    make_shard(builder, 0)
    sound, path = objects(tmp_path / "one"), quicklooks_object(0)
    commit = read_commit(builder.destinations[0], 0)
    assert commit is not None and path in {item.path for item in commit.objects}
    one, two = builder.destinations
    for deep in (False, True):
        assert verify_shard(one, description, 0, deep=deep) == []
    one.put(path, sound[path][:-9])
    faults = verify_shard(one, description, 0)
    assert [fault.path for fault in faults] == [path]
    assert repair(one, description, faults, [two]).restored == (path,)
    assert objects(tmp_path / "one") == sound


def test_a_picture_that_cannot_be_decoded_is_found_by_looking_deep(tmp_path: Path) -> None:
    builder = made_up_builder(tmp_path, MadeUp())
    description, path = described(builder), quicklooks_object(0)
    make_shard(builder, 0)
    (folder,) = builder.destinations
    commit = read_commit(folder, 0)
    assert commit is not None
    cut = (folder.get(path) or b"")[:-100]
    folder.put(path, cut)
    recorded = tuple(StoredObject.of(path, cut) if item.path == path else item for item in commit.objects)
    folder.put(commit_object(0), replace(commit, objects=recorded).to_bytes())
    assert verify_shard(folder, description, 0) == []
    (fault,) = verify_shard(folder, description, 0, deep=True)
    assert fault.path == path and fault.problem.startswith("cannot be decoded")


def test_a_destination_that_is_added_to_a_finished_corpus_is_filled_by_copying(tmp_path: Path) -> None:
    first = made_up_builder(tmp_path, MadeUp(), destinations=[str(tmp_path / "one")])
    described(first)
    for shard in range(2):
        make_shard(first, shard)
    unasked = MadeUp()
    both = in_both(tmp_path, unasked)
    described(both)
    searches = unasked.searches
    assert all(make_shard(both, shard).copied for shard in range(2))
    assert unasked.fetched == []
    assert unasked.searches == searches, "only the preflight asked"
    assert objects(tmp_path / "one") == objects(tmp_path / "two")


def test_a_damaged_copy_is_not_copied_but_fetched_again(tmp_path: Path) -> None:
    platform = MadeUp()
    builder = in_both(tmp_path, platform)
    described(builder)
    make_shard(builder, 0)
    before = objects(tmp_path / "one")
    (tmp_path / "two" / commit_object(0)).unlink()
    damaged = tmp_path / "one" / "stac" / "s2" / "c" / "0" / "0" / "0" / "0"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    asked = len(platform.fetched)
    assert not make_shard(builder, 0).copied
    assert len(platform.fetched) == asked + 5
    assert objects(tmp_path / "two") == before


def test_destinations_that_hold_different_shards_under_one_number_are_refused(tmp_path: Path) -> None:
    builder = in_both(tmp_path, MadeUp(), seed=1)
    described(builder)
    make_shard(builder, 0)
    other = made_up_builder(tmp_path, MadeUp(), destinations=[str(tmp_path / "other")], seed=2)
    make_shard(other, 0)
    foreign = other.destinations[0].get(commit_object(0)) or b""
    LocalFolder(str(tmp_path / "two")).put(commit_object(0), foreign)
    (tmp_path / "one" / commit_object(0)).unlink()
    with pytest.raises(CorpusError):
        make_shard(builder, 0)


# Reasons


class Refusing:
    """Refuses the first patches it is asked for, with a server's words."""

    def __init__(self, patches: int, reason: Reason = Reason.REFUSED) -> None:
        self.left, self.reason = patches, reason

    def __call__(self, patch: Patch) -> None:
        if self.left:
            self.left -= 1
            raise SceneUnavailable(self.reason, "stac-s2", SAID)


@pytest.mark.parametrize("reason", [Reason.NOT_UNDERSTOOD, Reason.OFFSET_UNKNOWN])
def test_where_no_pixels_are_understood_the_build_stops_early_with_what_was_said_of_them(
    tmp_path: Path, reason: Reason
) -> None:
    platform = MadeUp(on_fetch=Refusing(1000, reason))
    builder = made_up_builder(tmp_path, platform)
    described(builder)
    with pytest.raises(NotUnderstood, match="Asset 4711 expired"):
        make_shard(builder, 0)
    assert len(platform.fetched) < 10 + 2 * builder.spec.shard_size
    assert commit_object(0) not in objects(tmp_path / "corpus")
    failure = survey(builder.destinations[0]).failed[0]
    assert (failure.kind, run_record(builder)["attempt"]) == ("NotUnderstood", 0), "no fault of this shard"


def test_single_scenes_that_are_not_understood_are_replaced(tmp_path: Path) -> None:
    builder = made_up_builder(tmp_path, MadeUp(on_fetch=Refusing(2, Reason.NOT_UNDERSTOOD)))
    described(builder)
    assert make_shard(builder, 0).replaced == 2


def test_what_a_server_says_stands_in_runs_and_nowhere_else(tmp_path: Path) -> None:
    builder = made_up_builder(tmp_path, MadeUp(on_fetch=Refusing(2)))
    described(builder)
    make_shard(builder, 0)
    commit = read_commit(builder.destinations[0], 0)
    assert commit is not None
    assert [(one.why.reason, one.why.platform, one.why.scene) for one in commit.replaced] == [
        (Reason.REFUSED, "stac", "stac-s2")
    ] * 2
    assert [SAID in note for note in run_record(builder)["notes"]] == [True, True]
    for path, content in objects(tmp_path / "corpus").items():
        assert b"4711" not in content and b"help desk" not in content, path


def test_a_reworded_refusal_gives_the_same_shard(tmp_path: Path) -> None:
    found = []
    for words in (SAID, "Asset 4712 is no longer here."):
        refused: list[Patch] = []

        def refuse(patch: Patch, words: str = words, refused: list[Patch] = refused) -> None:
            refused.append(patch)
            if patch == refused[0]:
                raise SceneUnavailable(Reason.REFUSED, "stac-s2", words)

        platform = MadeUp(on_fetch=refuse)
        platform.in_flight = 1  # so that the first candidate is the first to be fetched
        place = tmp_path / str(len(found))
        make_shard(made_up_builder(tmp_path, platform, destinations=[str(place)]), 0)
        found.append(objects(place))
    assert found[0] == found[1]


# What cannot be made


def test_a_shard_without_candidates_left_fails_for_good(tmp_path: Path) -> None:
    builder = made_up_builder(tmp_path, MadeUp(on_fetch=Refusing(10**9)))
    described(builder)
    with pytest.raises(CandidatesExhausted) as caught:
        make_shard(builder, 0)
    assert "shard 0: 0 of 5 samples can be had" in str(caught.value)
    assert Reason.REFUSED.words in str(caught.value)
    assert SAID not in str(caught.value), "the error is shown to everybody"
    error = run_record(builder)["error"]
    assert (error["kind"], error["permanent"]) == ("CandidatesExhausted", True)
    assert survey(builder.destinations[0]).failed[0].permanent


@pytest.mark.parametrize("error", [PixelsError("cut short"), PlatformUnreachable("nobody there"), ValueError("a bug")])
def test_other_failures_are_not_for_good_and_are_recorded(tmp_path: Path, error: Exception) -> None:
    def fail(_: Patch) -> None:
        raise error

    builder = made_up_builder(tmp_path, MadeUp(on_fetch=fail))
    described(builder)
    with pytest.raises(type(error)):
        make_shard(builder, 0)
    recorded = run_record(builder)["error"]
    assert (recorded["kind"], recorded["permanent"]) == (type(error).__name__, False)
    assert ("traceback" in recorded) == isinstance(error, ValueError)
    assert builder.destinations[0].get(commit_object(0)) is None


def test_rows_of_a_shard_know_their_place_in_the_arrays(tmp_path: Path) -> None:
    builder = made_up_builder(tmp_path, MadeUp())
    described(builder)
    for shard in range(2):
        make_shard(builder, shard)
        rows = decode_rows(builder.destinations[0].get(samples_object(shard)) or b"")
        assert rows["sample"].tolist() == list(range(5 * shard, 5 * shard + 5))

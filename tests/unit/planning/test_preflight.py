"""Preflight: what is found wrong before a pixel is fetched, and in which order it is looked for."""

from pathlib import Path

import pytest

from tasks.assembly.shard import make_shard
from tasks.errors import CorpusError, DestinationError, SpecError
from tasks.planning.preflight import open_to_build, preflight
from tasks.shards.description import need_description
from tasks.shards.layout import CORPUS, PAIRING, PREVIEW, ROOT_METADATA
from tasks.shards.release_files import put_release
from tests.unit.builders import MadeUp, described, made_up_builder, spec_over


def test_destinations_are_probed_before_anything_is_asked_of_a_platform(tmp_path: Path) -> None:
    platform = MadeUp()
    with pytest.raises(DestinationError, match="/proc/x: cannot be written"):
        preflight(made_up_builder(tmp_path, platform, destinations=[str(tmp_path / "corpus"), "/proc/x"]))
    assert platform.asked == 0


def test_destinations_are_probed_before_a_catalogue_is_read(tmp_path: Path) -> None:
    nowhere = [{"stac": {"catalog": str(tmp_path / "none" / "catalog.json")}}]
    with pytest.raises(DestinationError, match="/proc/x"):
        open_to_build(spec_over(tmp_path, platforms=nowhere, destinations=["/proc/x"]))
    with pytest.raises(SpecError, match=r"no file .*catalog\.json"):
        open_to_build(spec_over(tmp_path, platforms=nowhere))


def test_nothing_is_left_by_a_preflight(tmp_path: Path) -> None:
    before = {*tmp_path.rglob("*")}
    builder = made_up_builder(tmp_path, MadeUp())
    preflight(builder)
    assert {*tmp_path.rglob("*")} - before == {tmp_path / "region.gpkg"}


@pytest.mark.parametrize(
    ("reach", "meets"),
    [
        ((8.0, 44.0, 10.0, 46.0), True),
        ((-352.0, 44.0, -350.0, 46.0), True),
        ((20.0, 44.0, 22.0, 46.0), False),
        ((8.0, 46.0, 10.0, 47.0), False),
    ],
)
def test_an_archive_that_lies_elsewhere_is_told_as_such(
    tmp_path: Path, reach: tuple[float, float, float, float], meets: bool
) -> None:
    platform = MadeUp()
    platform.reach = reach
    builder = made_up_builder(tmp_path, platform)
    if meets:
        assert preflight(builder).missing == 2
        return
    with pytest.raises(CorpusError, match=r"the scenes of stac lie at .* the places at 9\.0.* they do not meet"):
        preflight(builder)
    assert platform.asked == 0


def test_what_is_missing_anywhere_is_missing_and_a_finished_corpus_asks_nobody(tmp_path: Path) -> None:
    places = [str(tmp_path / "a"), str(tmp_path / "b")]
    platform = MadeUp()
    builder = made_up_builder(tmp_path, platform, destinations=places)
    described(builder)
    for shard in range(2):
        make_shard(builder, shard)
    put_release(builder.destinations, {PREVIEW: b"shown", PAIRING: b"told"})
    asked = platform.asked
    found = preflight(builder)
    assert (found.missing, found.finished) == (0, True)
    assert platform.asked == asked
    (tmp_path / "b" / PREVIEW).unlink()
    assert not preflight(builder).finished
    put_release(builder.destinations, {PREVIEW: b"shown", PAIRING: b"told"})
    assert preflight(builder).finished
    for place in places:
        (Path(place) / "commits" / "shard-00001.json").unlink()
    put_release(builder.destinations, {PREVIEW: b"shown", PAIRING: b"told"})
    make_shard(builder, 1)
    assert not preflight(builder).finished, "the release is that of a smaller corpus"
    (tmp_path / "b" / "commits" / "shard-00001.json").unlink()
    found = preflight(builder)
    assert (found.missing, found.finished) == (1, False)


def test_a_description_damaged_in_both_places_comes_back_as_large_as_the_corpus_had_grown(tmp_path: Path) -> None:
    builder = made_up_builder(tmp_path, MadeUp(), size=10)
    described(builder)
    for shard in range(2):
        make_shard(builder, shard)
    before = {path: (tmp_path / "corpus" / path).read_bytes() for path in (CORPUS, ROOT_METADATA)}
    for path in before:
        (tmp_path / "corpus" / path).write_bytes(b"{}")
    smaller = made_up_builder(tmp_path, MadeUp(), size=5)
    described(smaller)
    assert {path: (tmp_path / "corpus" / path).read_bytes() for path in before} == before
    assert need_description(smaller.destinations[0]).shards == 2

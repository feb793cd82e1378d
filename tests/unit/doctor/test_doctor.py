"""How findings are told."""

import datetime as dt
import io
import os
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows.command.doctor import _lines, _table
from tasks.doctor import destinations, platforms
from tasks.doctor.contents import examine_window
from tasks.doctor.destinations import examine_destination
from tasks.doctor.examination import run_within
from tasks.doctor.findings import Finding, without_secrets, wrong
from tasks.doctor.limits import examine_limits
from tasks.doctor.platforms import examine_platform, hurried
from tasks.errors import CatalogueError, CredentialsError, DeepSentinelError
from tasks.imagery.registry import Opening, Room, room_of, rooms
from tasks.places.draws import Draws
from tasks.places.opening import open_places
from tasks.scenes.roles import rule_of
from tasks.settings import PlatformSettings, Settings, load
from tasks.spec import CorpusSpec

SPEC = {
    "name": "x", "size": 500, "places": {"random": ["LU"]}, "destinations": ["out"],
    "window": ["2018-01-01", "2021-01-01"], "platforms": ["earthengine", "descarteslabs"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine is in force."""
    for name in [name for name in os.environ if name.startswith("DEEPSENTINEL_")]:
        monkeypatch.delenv(name)


def spec_with(**changes: object) -> CorpusSpec:
    return CorpusSpec.model_validate(SPEC | changes)


class TestRemedy:
    def test_is_what_follows_the_first_sentence(self) -> None:
        error = CredentialsError("earthengine: refused (no use. Of it). Set A to b, or c. Then again.")
        found = wrong("platform earthengine", error, "else")
        assert (found.found, found.remedy) == ("refused (no use. Of it)", "Set A to b, or c. Then again.")
        assert not found.ok

    @pytest.mark.parametrize("message", ["a.tif: is none.", "is none (see a. B", "v1.2 is none"])
    def test_is_never_empty(self, message: str) -> None:
        found = wrong("places", CatalogueError(message), "Correct it.")
        assert (found.found, found.remedy) == (message.removesuffix("."), "Correct it.")


class TestPublic:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("at https://me:S3CRET@host/a, failed", "at https://host/a, failed"),
            ("at https://host/a?code=S3CRET: failed", "at https://host/a failed"),
            ("'https://S3CRET@host:80/a?b=S3CRET' failed", "'https://host:80/a' failed"),
            ("(with url: /a/b?token=S3CRET) failed", "(with url: /a/b) failed"),
            ("see https://host/a. Is a@b.c right?", "see https://host/a. Is a@b.c right?"),
        ],
    )
    def test_has_no_login_and_no_parameters(self, text: str, told: str) -> None:
        assert without_secrets(text) == told


class TestWindow:
    def test_within_both_missions_is_in_order(self) -> None:
        (found,) = examine_window(spec_with())
        assert found.ok and found.found == "2018-01-01 to 2021-01-01, within both missions"

    def test_partly_before_a_mission_is_a_note(self) -> None:
        (found,) = examine_window(spec_with(window=["2015-01-01", "2016-01-01"]))
        assert found.ok and "lies before Sentinel-2's first images" in found.found and found.remedy

    def test_wholly_before_a_mission_is_wrong(self) -> None:
        (found,) = examine_window(spec_with(window=["2014-11-01", dt.date(2015, 6, 1)]))
        assert not found.ok and "before Sentinel-2's first images (2015-06-27)" in found.found
        assert found.remedy == "Use a later `window`."


class TestLimits:
    def test_are_those_of_the_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_REQUESTS", "7")
        told = {f.what: f.found for f in examine_limits(spec_with(), Settings())}
        assert told["limits of earthengine"].startswith("7 requests in flight")
        assert told["limits of descarteslabs"].startswith("16 requests in flight")
        assert told["memory"].startswith("2 shards in flight, about 2.8 GB")

    def test_that_need_more_memory_than_there_is_are_wrong(self) -> None:
        found = examine_limits(
            spec_with(shard_size=80, size=800, patch={"pixels": 1024}), Settings(shards_in_flight=64)
        )[-1]
        assert not found.ok and "DEEPSENTINEL_SHARDS_IN_FLIGHT" in found.remedy


class TestDeadline:
    def test_ends_a_check_that_does_not_answer_and_keeps_the_others(self) -> None:
        fine = Finding(what="b", ok=True, found="fine")
        began = time.monotonic()
        slow, quick = run_within(0.2, {"a": lambda: [time.sleep(5), fine][1:], "b": lambda: [fine]})
        assert time.monotonic() - began < 2
        assert (slow.what, slow.ok, slow.found) == ("a", False, "no answer within 0.2 s") and slow.remedy
        assert quick is fine

    def test_relays_what_nobody_foresaw(self) -> None:
        def fail() -> list[Finding]:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run_within(5, {"a": fail})


def test_lines_are_aligned_and_every_remedy_stands_under_its_finding() -> None:
    lines = _lines([
        Finding(what="a", ok=True, found="fine"), Finding(what="longer", ok=False, found="[bad]", remedy="Mend it."),
    ])  # fmt: skip
    assert lines == ["a       ok     fine", "longer  WRONG  [bad]", "               remedy: Mend it."]


def test_a_table_is_for_narrow_terminals_too() -> None:
    console = Console(width=60, file=io.StringIO(), record=True)
    console.print(_table([Finding(what="a", ok=False, found="[bad]", remedy="Set DEEPSENTINEL_DESCARTESLABS_TOKEN.")]))
    text = console.export_text()
    assert "…" not in text and "[bad]" in text and "WRONG" in text


class TestHurried:
    def test_all_that_waits_is_cut_to_a_quarter_and_nothing_else(self) -> None:
        class Mine(PlatformSettings):
            deadline: float = 300
            own_deadline: float = 3
            search_patience: float = 900
            requests: int = 40

        assert hurried(Mine(), 60).model_dump() == {
            "deadline": 15, "own_deadline": 3, "search_patience": 15, "requests": 40,
        }  # fmt: skip

    @pytest.mark.parametrize("kind", list(rooms()))
    def test_every_platform_has_something_to_cut(self, kind: str) -> None:
        settings = load(room_of(kind).settings)
        changed = {name for name, value in hurried(settings, 0.4) if value != getattr(settings, name)}
        assert {name.rpartition("_")[2] for name in changed} == {"deadline", "patience"}


class Fake:
    """A platform that tells what it was opened with."""

    def __init__(self, error: DeepSentinelError | None = None) -> None:
        self.error = error
        self.openings: list[Opening] = []
        self.draws: list[Draws | None] = []
        self.closed = 0

    def open(self, opening: Opening, settings: Any) -> Any:
        self.openings.append(opening)
        return self

    def check(self, draws: Draws | None) -> str:
        self.draws.append(draws)
        if self.error:
            raise self.error
        return "fine"

    def close(self) -> None:
        self.closed += 1


def examined(monkeypatch: pytest.MonkeyPatch, fake: Fake, spec: CorpusSpec, *, places: Any) -> Finding:
    room = Room(
        settings=PlatformSettings, cost=lambda *_: None, limits=lambda _: "", open=fake.open,
    )  # type: ignore[arg-type]  # fmt: skip
    monkeypatch.setattr(platforms, "room_of", lambda _: room)
    (found,) = examine_platform("platform x", spec.platform_items[0], spec, places, 60)
    return found


class TestPlatform:
    def test_is_opened_for_the_whole_corpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake, spec = Fake(), spec_with()
        places = open_places(spec)
        found = examined(monkeypatch, fake, spec, places=places)
        assert found.ok and found.found == "fine" and fake.closed == 1
        (opening,) = fake.openings
        assert opening.bounds == places.bounds and opening.rule == rule_of(spec)
        assert fake.draws[0] is not None and fake.draws[0].cell.tolist() == places.draws(0).cell[:50].tolist()

    def test_what_it_refuses_is_wrong_and_it_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = Fake(CredentialsError("x: the login is refused. Set A."))
        found = examined(monkeypatch, fake, spec_with(), places=None)
        assert not found.ok and (found.found, found.remedy) == ("the login is refused", "Set A.")
        assert fake.closed == 1

    def test_a_setting_that_is_wrong_is_told_of_its_platform_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_REQUESTS", "0")
        spec = spec_with()
        (found,) = examine_platform("platform earthengine", spec.platform_items[0], spec, None, 60)
        assert not found.ok and "DEEPSENTINEL_EARTHENGINE_REQUESTS" in found.found and found.remedy
        assert [f.what for f in examine_limits(spec, Settings())] == ["limits of descarteslabs", "memory"]


class TestDestination:
    def test_nothing_is_left_in_a_folder_that_was_not_there(self, tmp_path: Path) -> None:
        (found,) = examine_destination("destination a", str(tmp_path / "a" / "b"), spec_with(), None, None)
        assert found.ok and found.found.startswith("writable; ")
        assert not list(tmp_path.iterdir())

    def test_folders_that_were_there_stay(self, tmp_path: Path) -> None:
        (tmp_path / "a" / "runs").mkdir(parents=True)
        examine_destination("destination a", str(tmp_path / "a"), spec_with(), None, None)
        assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["a", "a/runs"]

    def test_room_is_counted_with_all_that_share_the_disk(self, tmp_path: Path) -> None:
        here = [str(tmp_path / name) for name in "ab"]
        spec = spec_with(destinations=here, size=40, shard_size=20)
        found = examine_destination("destination a", here[0], spec, open_places(spec), 10**9)[0]
        assert "about 2.00 GB needed by 2 destinations on this file system" in found.found
        (tmp_path / "b" / "commits").mkdir(parents=True)
        (tmp_path / "b" / "commits" / "shard-00000.json").write_text("{}")
        found = examine_destination("destination a", here[0], spec, open_places(spec), 10**9)[0]
        assert "about 1.50 GB needed" in found.found
        found = examine_destination("destination a", here[0], spec, open_places(spec), 10**18)[0]
        assert not found.ok and "too small" in found.found and found.remedy.startswith("Free ")

    def test_a_store_without_an_end_has_no_room_to_tell(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Bucket:
            location = "mem://bucket"
            prepared = 0

            def prepare(self) -> None:
                self.prepared += 1

            def get(self, path: str) -> bytes | None:
                return None

            def top(self) -> list[str]:
                return []

        bucket = Bucket()
        monkeypatch.setattr(destinations, "open_destination", lambda _: bucket)
        spec = spec_with(size=40, shard_size=20)
        (found,) = examine_destination("destination mem://bucket", "mem://bucket", spec, open_places(spec), 10**9)
        assert found.ok and found.found == "writable" and bucket.prepared == 1

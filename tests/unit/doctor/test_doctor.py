"""How findings are told."""

import datetime as dt
import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from flows.command.doctor import _lines, _table
from tasks.doctor import Finding
from tasks.doctor.contents import examine_window
from tasks.doctor.destinations import try_destination
from tasks.doctor.examination import run_within
from tasks.doctor.findings import without_secrets, wrong
from tasks.doctor.limits import examine_limits
from tasks.errors import CatalogueError, CredentialsError
from tasks.settings import Settings
from tasks.shards.destinations import open_destination
from tasks.spec import CorpusSpec

SPEC = {
    "name": "x", "size": 500, "places": {"random": ["LU"]}, "destinations": ["out"],
    "window": ["2018-01-01", "2021-01-01"], "platforms": ["earthengine", "descarteslabs"],
}  # fmt: skip


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
    def test_are_those_of_the_settings(self) -> None:
        told = {f.what: f.found for f in examine_limits(spec_with(), Settings(earthengine_requests=7))}
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


def test_nothing_is_left_in_a_folder_that_was_not_there(tmp_path: Path) -> None:
    assert try_destination(open_destination(str(tmp_path / "a" / "b"))) > 0
    assert not list(tmp_path.iterdir())
    (tmp_path / "a" / "runs").mkdir(parents=True)
    try_destination(open_destination(str(tmp_path / "a")))
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["a", "a/runs"]

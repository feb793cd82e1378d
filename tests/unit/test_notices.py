"""What is said while something takes long, and what is not."""

import logging
import time

import pytest

from tasks import notices
from tasks.notices import told_if_slow


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="deepsentinel")
    return caplog


def wait_for(said: pytest.LogCaptureFixture, count: int) -> None:
    until = time.monotonic() + 20
    while len(said.messages) < count and time.monotonic() < until:
        time.sleep(0.005)


def test_what_is_quick_is_not_told(monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(notices, "FIRST", 0.2)
    with told_if_slow("reading the catalogue") as say:
        say(1, 2)
    time.sleep(0.4)
    assert said.messages == []


def test_what_takes_longer_is_named_once(monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(notices, "FIRST", 0.01)
    with told_if_slow("reading the catalogue"):
        wait_for(said, 1)
        time.sleep(0.05)
    assert said.messages == ["reading the catalogue ..."]
    assert said.records[0].levelno == logging.INFO


def test_how_far_it_is_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(notices, "FIRST", 100)
    monkeypatch.setattr(notices, "NEXT", 0.05)
    with told_if_slow("drawing cells") as say:
        say(1, 10_000)
        time.sleep(0.06)
        say(2_000, 10_000)
        say(2_001, 10_000)
        time.sleep(0.06)
        say(10_000, 10_000)
    assert said.messages[-2:] == ["drawing cells: 2,000 of 10,000, 0 s", "drawing cells: 10,000 of 10,000, 0 s"]
    assert "drawing cells: 2,001 of 10,000, 0 s" not in said.messages


def test_after_an_error_nothing_more_is_said(monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(notices, "FIRST", 0.1)
    with pytest.raises(KeyboardInterrupt), told_if_slow("reading"):
        raise KeyboardInterrupt
    time.sleep(0.3)
    assert said.messages == []


def test_users_are_told_after_two_seconds_and_every_ten() -> None:
    assert (notices.FIRST, notices.NEXT) == (2.0, 10.0)

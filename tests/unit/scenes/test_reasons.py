"""Reasons: a closed list of codes, which are stored and never change their meaning."""

import dataclasses

import pytest

from tasks.scenes.pairing import Outcome
from tasks.scenes.reasons import Reason, Rejection

CODES = [
    "no-sentinel2", "not-covered", "other-zone", "outside-window", "too-cloudy", "too-far", "no-companion",
    "no-sentinel1", "instant-outside-window", "not-in-catalogue", "no-file", "offset-unknown", "not-understood",
    "refused", "mostly-nodata",
]  # fmt: skip
"""As they stand in corpora that exist: one may be added, none renamed."""


def test_the_codes_are_those_that_are_stored() -> None:
    assert [str(reason) for reason in Reason] == CODES
    assert [Reason(code) for code in CODES] == list(Reason)


def test_there_is_no_other_code() -> None:
    for code in ("", "refused ", "REFUSED", "refused: quota exceeded", "no Sentinel-2 scene near the patch"):
        with pytest.raises(ValueError, match="is not a valid Reason"):
            Reason(code)


def test_every_code_has_words_of_its_own() -> None:
    words = [reason.words for reason in Reason]
    assert len(set(words)) == len(CODES)
    assert all(words)
    assert not set(words) & set(CODES)


def test_every_way_not_to_pair_is_a_code() -> None:
    assert [str(outcome.reason) for outcome in Outcome if outcome is not Outcome.PAIRED] == CODES[:8]


def test_a_rejection_holds_a_code_a_platform_and_a_scene_and_no_text() -> None:
    assert [field.name for field in dataclasses.fields(Rejection)] == ["reason", "platform", "scene"]
    found = Rejection(reason=Reason.REFUSED, scene="S2A_x")
    assert found.platform is None
    assert found.on("stac") == Rejection(reason=Reason.REFUSED, platform="stac", scene="S2A_x")
    assert found.platform is None, "it is a value"

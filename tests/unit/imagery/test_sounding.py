"""What a check says of the dark end of a few scenes."""

from collections.abc import Callable

import numpy as np
import pytest

from tasks.errors import NotUnderstood, PixelsError, SceneUnavailable
from tasks.imagery.platform import Tiles
from tasks.imagery.sounding import described, sounded
from tasks.places.patches import Patch
from tasks.scenes.reasons import Reason
from tests.unit.builders import PATCH, MadeUp

RANDOM = np.random.default_rng(5)


def tiles(add: int = 0, db: float = 0.0) -> Tiles:
    """Land with some shade: reflectance from 0.01 to 0.4, VV about -11 dB and VH about -18 dB."""
    s2 = (RANDOM.uniform(100, 4000, (13, 32, 32)) + add).clip(1).astype(np.uint16)
    s1 = RANDOM.normal(np.array([-11, -18])[:, None, None] + db, 2, (2, 32, 32)).astype(np.float32)
    return Tiles(arrays={"x/s2": s2, "x/s1": s1})


def test_land_as_it_should_be_raises_no_doubt() -> None:
    told = described([tiles(), tiles(), tiles()])
    assert told.startswith("of 3 scenes 1 % of the pixels are darker than 0.01")
    assert "the median of VV is -11" in told
    assert "LOOK" not in told


@pytest.mark.parametrize(
    ("changed", "doubt"),
    [
        ({"add": 1000}, "the +1000 offset may still be in the pixels"),
        ({"add": -1000}, "the +1000 offset may be out twice"),
        ({"db": 9}, "over land VV is between"),
        ({"db": -15}, "over land VH is between"),
    ],
)
def test_what_settings_have_wrong_shows_at_the_dark_end(changed: dict, doubt: str) -> None:
    assert doubt in described([tiles(**changed)])


def test_amplitudes_in_decibels_are_half_of_what_they_should_be() -> None:
    found = tiles()
    found.arrays["x/s1"][:] /= 2
    assert "the unit may be another" in described([found])


def test_nothing_is_said_of_nothing() -> None:
    empty = Tiles(arrays={"x/s2": np.zeros((13, 4, 4), np.uint16), "x/s1": np.full((2, 4, 4), np.nan, np.float32)})
    assert described([]) == described([empty]) == ""


def refusing(reason: Reason, most: int) -> Callable[[Patch], None]:
    left = [most]

    def refuse(_: Patch) -> None:
        if left[0]:
            left[0] -= 1
            raise SceneUnavailable(reason, "S2A", "B04.tif: is float32")

    return refuse


def test_single_scenes_that_are_gone_are_passed_over_and_small_patches_asked_for() -> None:
    platform = MadeUp(on_fetch=refusing(Reason.NO_FILE, 2))
    assert sounded(platform, [(PATCH, {})] * 9) == ""
    assert len(platform.fetched) == 5
    assert {patch.pixels for patch in platform.fetched} == {64}


@pytest.mark.parametrize(("reason", "error"), [(Reason.NOT_UNDERSTOOD, NotUnderstood), (Reason.NO_FILE, PixelsError)])
def test_where_no_scene_has_pixels_the_last_refusal_is_told(reason: Reason, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"B04\.tif: is float32"):
        sounded(MadeUp(on_fetch=refusing(reason, 99)), [(PATCH, {})] * 9)

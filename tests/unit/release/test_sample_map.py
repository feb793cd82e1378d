"""The map: a dot where each sample is, in the colour of its split, whatever piece of the world that is."""

import io

import numpy as np
import pytest
from PIL import Image

from tasks.release.sample_map import SPLIT_COLOURS, sample_map


def drawn(**places: list[tuple[float, float]]) -> np.ndarray:
    """The picture without its title and its key."""
    points = {split: np.array(at, float).reshape(-1, 2) for split, at in places.items()}
    picture = Image.open(io.BytesIO(sample_map("tiny", "a corpus", points)))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB"))[66:-46, 16:-16].astype(int)


def middle(picture: np.ndarray, split: str) -> tuple[float, float]:
    """Where what is of a split's colour lies, as shares of width and height."""
    near = np.abs(picture - np.array(SPLIT_COLOURS[split])).max(axis=2) < 12
    down, right = np.nonzero(near)
    return float(right.mean() / picture.shape[1]), float(down.mean() / picture.shape[0])


def test_dots_lie_where_the_samples_are_in_the_colours_of_their_splits() -> None:
    picture = drawn(train=[(8, 47)], test=[(12, 47)], validation=[(10, 49)])
    train, test, validation = (middle(picture, split) for split in ("train", "test", "validation"))
    assert train[0] < 0.5 < test[0]
    assert train[1] == pytest.approx(test[1], abs=0.02)
    assert validation[0] == pytest.approx(0.5, abs=0.02)
    assert validation[1] < train[1], "north is up"


def test_the_same_places_give_the_same_bytes() -> None:
    one, two = (sample_map("tiny", "a corpus", {"train": np.array([(8.0, 47.0)])}) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("lon", [-179.9, 179.9])
def test_a_piece_at_the_antimeridian_is_drawn_whole(lon: float) -> None:
    picture = drawn(train=[(lon, -17)])
    assert middle(picture, "train") == pytest.approx((0.5, 0.5), abs=0.02)
    land = np.abs(picture - np.array((247, 245, 239))).max(axis=2) < 6
    assert land[:, : picture.shape[1] // 2].any() and land[:, picture.shape[1] // 2 :].any(), "Fiji, on both sides"


def test_samples_all_over_the_world_are_shown_on_all_of_it() -> None:
    picture = drawn(train=[(-120, 45), (140, -30)], test=[(20, 0)])
    assert picture.shape[1] > 1.9 * picture.shape[0]
    across, down = middle(picture, "test")
    assert across == pytest.approx(0.5 + 20 / 360, abs=0.02)
    assert 0.5 < down < 0.62, "the south is cut at 58 degrees, the north at 84"


def test_many_samples_are_smaller_dots() -> None:
    random = np.random.default_rng(1)
    few, many = (
        drawn(train=[tuple(at) for at in random.uniform((0, 45), (10, 55), (count, 2))]) for count in (20, 20_000)
    )
    for picture, count in ((few, 20), (many, 20_000)):
        near = np.abs(picture - np.array(SPLIT_COLOURS["train"])).max(axis=2) < 40
        assert near.sum() / count == pytest.approx(30 if count == 20 else 3, rel=0.9)


def test_a_corpus_without_samples_has_a_map_of_the_world() -> None:
    assert drawn(train=[], test=[]).shape[0] > 300

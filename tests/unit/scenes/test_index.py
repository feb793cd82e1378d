"""The index of scenes: which may serve a draw, as looking at every scene would tell."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.scenes.index import SceneIndex
from tasks.scenes.roles import DAY
from tasks.scenes.scenes import Scenes
from tests.unit.scenes.made import objects


def scenes(outlines: list[shapely.Polygon], times: list[int]) -> Scenes:
    return Scenes(
        id=objects([f"s{n}" for n in range(len(times))]),
        time=np.array(times, np.int64),
        footprint=objects(outlines),
        orbit=np.zeros(len(times), np.int64),
    )


boxes = st.builds(
    lambda x, y, w, h: shapely.box(x, y, x + w, min(y + h, 90)),
    st.integers(-180, 179) | st.floats(-180, 179.9),
    st.floats(-80, 80),
    st.floats(0.1, 4),
    st.floats(0.1, 3),
)
instants = st.integers(-40, 40).map(lambda n: n * DAY // 2) | st.integers(-20 * DAY, 20 * DAY)


@given(
    st.lists(st.tuples(boxes, instants), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.floats(-1, 5), st.floats(-1, 4), instants), min_size=1, max_size=5),
    st.integers(0, 15 * DAY),
)
@settings(max_examples=300)
def test_near_scenes_are_those_whose_box_holds_the_centre_within_the_span(
    found: list[tuple[shapely.Polygon, int]], draws: list[tuple[int, float, float, int]], span: int
) -> None:
    outlines, times = [box for box, _ in found], [time for _, time in found]
    corner = [outlines[n % len(outlines)].bounds[:2] if outlines else (0, 0) for n, *_ in draws]
    lon = np.array([(x + dx + 180) % 360 - 180 for (x, _), (_, dx, _, _) in zip(corner, draws, strict=True)])
    lat = np.array([min(y + dy, 84) for (_, y), (_, _, dy, _) in zip(corner, draws, strict=True)])
    preferred = np.array([time for *_, time in draws], np.int64)
    index = SceneIndex(scenes(outlines, times))
    draw, scene = index.near(lon, lat, preferred, span)
    assert (np.diff(draw) >= 0).all()
    for position in range(len(draws)):
        here = {
            n
            for n, box in enumerate(outlines)
            if (lon[position] - box.bounds[0]) % 360 <= box.bounds[2] - box.bounds[0]
            and box.bounds[1] <= lat[position] <= box.bounds[3]
        }
        within = {n for n in here if abs(times[n] - preferred[position]) <= span}
        got = set(scene[draw == position].tolist())
        # Times are compared to the millisecond, so scenes within one of the span's ends may be among them.
        almost = {n for n in here if abs(times[n] - preferred[position]) <= span + 1_000}
        assert within <= got
        # A draw without any gets those of all times.
        assert got <= (almost if within else here)


def test_an_index_of_nothing_finds_nothing() -> None:
    draw, scene = SceneIndex(scenes([], [])).near(np.array([9.0]), np.array([45.0]), np.array([0]), DAY)
    assert len(draw) == len(scene) == 0

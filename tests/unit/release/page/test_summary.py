"""The summary has all samples, by cell and kind; the frame holds them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.release.page.facts import DEGREE
from tasks.release.page.summary import KINDS, Frame, frame_of, summary


def steps(*degrees: float) -> np.ndarray:
    return np.round(np.array(degrees) * DEGREE).astype(np.int32)


@pytest.mark.parametrize("cell", [0.01, 0.5, 1.0])
def test_counts_are_those_of_a_table_grouped_by_cell_and_kinds(cell: float) -> None:
    rng = np.random.default_rng(3)
    columns: dict[str, Any] = {
        "lon": np.round(rng.normal(0, 3, 500) * DEGREE).astype(np.int32),
        "lat": np.round(rng.normal(0, 3, 500) * DEGREE).astype(np.int32),
        **{kind: rng.integers(0, 300 if kind == "country" else 3, 500).astype(np.uint16) for kind in KINDS},
    }
    found = summary(columns, cell)
    side = round(cell * DEGREE)
    cells = (columns["lat"] + 90 * DEGREE) // side * round(360 / cell) + (columns["lon"] + 180 * DEGREE) // side
    wanted = pd.DataFrame({kind: columns[kind] for kind in KINDS}).assign(cell=cells).groupby(["cell", *KINDS]).size()
    told = pd.DataFrame(found).assign(cell=np.cumsum(found["cell"])).set_index(["cell", *KINDS])["count"]
    assert told.astype(int).to_dict() == wanted.to_dict()


def test_the_last_meridian_and_the_poles_have_cells_too() -> None:
    columns: dict[str, Any] = {kind: np.zeros(4, np.uint8) for kind in KINDS}
    found = summary(columns | {"lon": steps(-180, 180, 180, 0), "lat": steps(-90, 0, 90, 0)}, 1.0)
    assert found["count"].sum() == 4
    assert np.cumsum(found["cell"]).max() == 180 * 360 + 359


@pytest.mark.parametrize(
    ("lon", "west", "east"),
    [((5, 6, 7), 5, 7), ((179, -179), 179, 181), ((-170, 170, 175), 170, 190), ((3,), 3, 3), ((-120, 0, 120), 0, 240)],
)
def test_the_frame_leaves_out_the_widest_gap_between_meridians(
    lon: tuple[float, ...], west: float, east: float
) -> None:
    found = frame_of(steps(*lon), steps(*range(len(lon))))
    assert found.east - found.west == pytest.approx(east - west)
    assert len(lon) == 3 or found.west % 360 == pytest.approx(west % 360)
    assert (found.south, found.north) == (0, len(lon) - 1)


@pytest.mark.parametrize(("extent", "cell"), [(0.1, 0.01), (5.9, 0.02), (60, 0.2), (360, 1.0)])
def test_a_small_corpus_has_small_cells(extent: float, cell: float) -> None:
    assert Frame(west=0, south=0, east=extent, north=0.05).cell == cell

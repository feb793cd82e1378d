"""Counts of a shard's pixels: exact, small, a function of its arrays and rows, and computable later."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS
from tasks.places.patches import Patch
from tasks.shards.array_kinds import S1_NODATA, platform_arrays
from tasks.shards.commits import read_commit
from tasks.shards.description import need_description
from tasks.shards.layout import samples_object, statistics_object
from tasks.shards.rows import decode_rows
from tasks.shards.statistics import (
    ValueCounts,
    count_values,
    counts_of_pixels,
    decode_counts,
    encode_counts,
    splits_of,
)
from tasks.shards.verification import verify_shard
from tests.unit.builders import MadeUp, described, made_up_builder

S2, S1 = platform_arrays("zulu", ("s2", "s1"), BANDS, 16)

SPLITS = ["train", None, "test", "train"]

EDGES = {"uint16": [0, 1, 10_000, 65_535], "int16": [S1_NODATA, -32_767, -1, 0, 1, 32_767]}


def pixels(kind: Any, samples: int, seed: int = 0) -> np.ndarray:
    """Few values, those at the ends of the type among them."""
    random = np.random.default_rng(seed)
    return random.choice(EDGES[kind.dtype], (samples, *kind.shape)).astype(kind.dtype)


def added(found: Iterable[ValueCounts]) -> dict[tuple[str, str, str], Counter[int]]:
    """Counts by array, band and split, those that come in parts added up."""
    total: dict[tuple[str, str, str], Counter[int]] = {}
    for one in found:
        counts = Counter(dict(zip(one.values.tolist(), one.counts.tolist(), strict=True)))
        total.setdefault((one.array, one.band, one.split), Counter()).update(counts)
    return total


@pytest.mark.parametrize("kind", [S2, S1], ids=lambda kind: kind.name)
def test_every_value_is_counted_once_for_its_band_and_split(kind: Any) -> None:
    values = pixels(kind, 5)
    found = added(count_values(kind, values, SPLITS))
    bands = kind.names[kind.dimensions[0]]
    assert set(found) == {(kind.path, band, split) for band in bands for split in ("train", "test")}
    for number, band in enumerate(bands):
        assert found[kind.path, band, "train"] == Counter(values[[0, 3], number].ravel().tolist())
        assert found[kind.path, band, "test"] == Counter(values[2, number].ravel().tolist())


def test_what_is_not_contiguous_is_counted_too() -> None:
    values = pixels(S1, 4)
    assert added(count_values(S1, values[:, :, ::-1, ::-1], SPLITS)) == added(count_values(S1, values, SPLITS))


@given(st.lists(st.tuples(st.sampled_from(BANDS), st.sampled_from(["train", "test"]), st.integers(0, 9)), max_size=8))
def test_counts_come_back_from_their_bytes(made: list[tuple[str, str, int]]) -> None:
    counts = {
        (band, split): np.sort(np.random.default_rng(seed).choice(60_000, 1 + seed, replace=False)) - 30_000
        for band, split, seed in made
    }
    groups = [
        ValueCounts(
            array="zulu/s2", band=band, split=split, values=values.astype(np.int32),
            counts=np.arange(1, 1 + len(values), dtype=np.int64) * 10**12,
        )
        for (band, split), values in counts.items()
    ]  # fmt: skip
    content = encode_counts(groups)
    assert content == encode_counts(groups)
    assert added(decode_counts(content)) == added(groups)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no counts at all"])
def test_what_is_no_counts_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no counts of values"):
        decode_counts(content)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A shard of five places of which one has no pixels, built; its destination."""
    folder = tmp_path_factory.mktemp("counted")
    refused: list[Patch] = []

    class Varied(MadeUp):
        def _pixels(self, patch: Patch, role: str) -> np.ndarray:
            made = super()._pixels(patch, role)
            made[:, :2] = 0 if role == "s2" else np.nan
            made[:, 2] += np.arange(16, dtype=made.dtype)
            return made

    builder = made_up_builder(folder, Varied(on_fetch=refused.append))
    described(builder)
    make_shard(builder, 0)
    return builder.destinations[0]


def test_a_shard_records_the_counts_of_what_it_stores(corpus: Any) -> None:
    commit = read_commit(corpus, 0)
    assert commit is not None
    assert statistics_object(0) in {item.path for item in commit.objects}
    found = added(decode_counts(corpus.get(statistics_object(0))))
    splits = np.array(splits_of(decode_rows(corpus.get(samples_object(0)))))
    for kind in need_description(corpus).imagery:
        stored = np.asarray(zarr.open_array(corpus.store(), mode="r", path=kind.path)[:5])
        for number, band in enumerate(kind.names[kind.dimensions[0]]):
            for split in set(splits):
                assert found[kind.path, band, split] == Counter(stored[splits == split, number].ravel().tolist())


def test_counts_computed_later_are_those_recorded(corpus: Any) -> None:
    later = counts_of_pixels(corpus, need_description(corpus), 0)
    assert added(later) == added(decode_counts(corpus.get(statistics_object(0))))


def test_counts_that_do_not_add_up_are_found_by_reading_everything(corpus: Any) -> None:
    from tasks.shards.decoding import undecodable

    description, commit = need_description(corpus), read_commit(corpus, 0)
    assert commit is not None
    assert verify_shard(corpus, description, 0, deep=True) == []
    path = statistics_object(0)
    fewer = decode_counts(corpus.get(path))[1:]
    assert undecodable(description, commit, path, encode_counts(fewer)) == "does not count 1,280 pixels of each band"
    assert "cannot be decoded" in (undecodable(description, commit, path, b"PAR1") or "")


def test_counts_are_small(tmp_path: Path) -> None:
    """Of noise as wide as a bright scene's, in 20 samples of 250 pixels a side: less than half a percent."""
    kind = platform_arrays("zulu", ("s2",), BANDS, 250)[0]
    random = np.random.default_rng(1)
    values = random.normal(2000, 500, (20, *kind.shape)).clip(0).astype(np.uint16)
    content = encode_counts(count_values(kind, values, ["train"] * 14 + ["test"] * 4 + ["validation"] * 2))
    encoded = values.size  # about a byte a pixel
    assert len(content) < 0.01 * encoded

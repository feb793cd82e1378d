"""Arrays as shards: what zarr and xarray read is what was put in, byte for byte the same each time."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.shards.array_kinds import S1_NODATA, ArrayKind, platform_arrays
from tasks.shards.encoding import encode_shard
from tasks.shards.zarr_metadata import metadata_objects

PIXELS, SIZE, SHARDS = 24, 3, 4
KINDS = platform_arrays("stac", ("s2", "s1"), BANDS[:10] + BANDS[11:], PIXELS)
S2, S1 = KINDS


def reflectance(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 12_000, (SIZE, 13, PIXELS, PIXELS)).astype(np.uint16)
    values[:, 10] = 0
    return values


def backscatter(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(-35, 5, (SIZE, 2, PIXELS, PIXELS)).astype(np.float32)
    values[0, :, :3] = np.nan
    return values


ATTRIBUTES = {"corpus": "tiny", "schema": 2}


def described(folder: Path, kinds: list[ArrayKind] = KINDS, *, size: int = SIZE) -> Path:
    """A corpus without a shard."""
    for path, content in metadata_objects(kinds, attributes=ATTRIBUTES, shards=SHARDS, shard_size=size).items():
        put(folder, path, content)
    return folder


def put(folder: Path, path: str, content: bytes) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Shards 0 and 2 of four."""
    described(tmp_path)
    for shard in (0, 2):
        put(tmp_path, *encode_shard(S2, reflectance(shard), shard))
        put(tmp_path, *encode_shard(S1, S1.stored(backscatter(shard)), shard))
    return tmp_path


# Reading


@pytest.mark.filterwarnings("error")
def test_a_platform_opens_in_xarray_with_named_dimensions(corpus: Path) -> None:
    with xarray.open_zarr(corpus, group="stac", chunks=None) as data:
        assert data["s2"].dims == ("sample", "band", "y", "x")
        assert data["s1"].dims == ("sample", "polarization", "y", "x")
        assert data["s2"].shape == (SIZE * SHARDS, 13, PIXELS, PIXELS)
        assert data["s1"].shape == (SIZE * SHARDS, 2, PIXELS, PIXELS)
        assert data["band"].to_numpy().tolist() == list(BANDS)
        assert data["polarization"].to_numpy().tolist() == list(POLARIZATIONS)
        assert data["s2"].dtype == np.uint16
        assert data["s2"].attrs["absent_bands"] == ["B10"]
        assert data["s1"].attrs["units"] == "dB"


@pytest.mark.filterwarnings("error")
def test_the_whole_corpus_opens_as_one_tree(corpus: Path) -> None:
    with xarray.open_datatree(corpus, engine="zarr", chunks=None) as tree:
        assert tree.attrs == ATTRIBUTES
        assert set(tree["stac"].data_vars) == {"s1", "s2"}


@pytest.mark.filterwarnings("error")
def test_xarray_gives_what_was_put_in(corpus: Path) -> None:
    with xarray.open_zarr(corpus, group="stac", chunks=None) as data:
        for shard in (0, 2):
            rows = slice(shard * SIZE, (shard + 1) * SIZE)
            assert np.array_equal(data["s2"][rows].to_numpy(), reflectance(shard))
            found, put_in = data["s1"][rows].to_numpy(), backscatter(shard)
            assert np.array_equal(np.isnan(found), np.isnan(put_in))
            assert np.nanmax(np.abs(found - put_in)) <= 0.005 + 1e-6


@pytest.mark.filterwarnings("error")
def test_shards_that_are_not_there_are_nodata(corpus: Path) -> None:
    with xarray.open_zarr(corpus, group="stac", chunks=None) as data:
        assert not data["s2"][SIZE : 2 * SIZE].to_numpy().any()
        assert np.isnan(data["s1"][SIZE : 2 * SIZE].to_numpy()).all()


@pytest.mark.filterwarnings("error")
def test_bands_are_chosen_by_name(corpus: Path) -> None:
    with xarray.open_zarr(corpus, group="stac", chunks=None) as data:
        red = data["s2"].sel(band="B04")[0].to_numpy()
    assert np.array_equal(red, reflectance()[0, 3])


@pytest.mark.filterwarnings("error")
def test_zarr_opens_each_array(corpus: Path) -> None:
    group = zarr.open_group(corpus, mode="r")
    assert np.array_equal(group["stac/s2"][0], reflectance()[0])  # type: ignore[index]
    assert group["stac/s2"].chunks == (1, 13, PIXELS, PIXELS)  # type: ignore[union-attr]
    assert group["stac/s2"].shards == (SIZE, 13, PIXELS, PIXELS)  # type: ignore[union-attr]


def test_metadata_is_the_same_each_time_and_differs_in_the_number_of_rows_only() -> None:
    def metadata(shards: int) -> dict[str, bytes]:
        return metadata_objects(KINDS, attributes=ATTRIBUTES, shards=shards, shard_size=SIZE)

    assert metadata(4) == metadata(4)
    small, large = metadata(4), metadata(400)
    assert set(small) == set(large)
    changed = {path for path in small if small[path] != large[path]}
    assert changed == {"zarr.json", "stac/zarr.json", "stac/s1/zarr.json", "stac/s2/zarr.json"}
    for path in changed:
        assert large[path].replace(b"1200", b"12").split() == small[path].split()


# Bytes


def test_the_bytes_of_a_shard_are_the_same_each_time() -> None:
    for kind, values in ((S2, reflectance()), (S1, S1.stored(backscatter()))):
        first = encode_shard(kind, values, 1)
        assert first == encode_shard(kind, values.copy(), 1)
        assert first == encode_shard(kind, np.asfortranarray(values), 1)


def test_the_bytes_of_a_shard_do_not_depend_on_its_number() -> None:
    first, second = encode_shard(S2, reflectance(), 0), encode_shard(S2, reflectance(), 3)
    assert first[1] == second[1]
    assert (first[0], second[0]) == ("stac/s2/c/0/0/0/0", "stac/s2/c/3/0/0/0")


def test_they_are_what_zarr_itself_writes_into_the_corpus(tmp_path: Path) -> None:
    described(tmp_path)
    for kind, values in ((S2, reflectance(5)), (S1, S1.stored(backscatter(5)))):
        path, content = encode_shard(kind, values, 2)
        with zarr.config.set({"array.write_empty_chunks": True}):
            array = zarr.open_group(tmp_path, mode="r+")[kind.path]
            array[2 * SIZE : 3 * SIZE] = values  # type: ignore[index]
        assert (tmp_path / path).read_bytes() == content


@pytest.mark.parametrize(("kind", "fill"), [(S2, 0), (S1, S1_NODATA)])
def test_samples_and_shards_of_nothing_but_nodata_are_written_too(tmp_path: Path, kind: ArrayKind, fill: int) -> None:
    empty = kind.empty(SIZE)
    assert (empty == fill).all()
    path, content = encode_shard(kind, empty, 0)
    assert len(content) > SIZE * 16
    described(tmp_path)
    put(tmp_path, path, content)
    assert (zarr.open_group(tmp_path, mode="r")[kind.path][:SIZE] == fill).all()  # type: ignore[index]
    # Every sample has its bytes: none is left to mean "not written".
    index = np.frombuffer(content[: 16 * SIZE], "<u8").reshape(SIZE, 2)
    assert (index != 2**64 - 1).all()


def test_encoding_in_many_threads_gives_the_same_bytes_and_leaves_zarrs_settings_alone() -> None:
    before = zarr.config.get("array.write_empty_chunks")
    empty = np.full((SIZE, 2, PIXELS, PIXELS), S1_NODATA, np.int16)
    expected = encode_shard(S1, empty, 0)
    for _ in range(10):
        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(lambda _: encode_shard(S1, empty, 0), range(16))) == {expected}
        after = zarr.config.get("array.write_empty_chunks")
        zarr.config.set({"array.write_empty_chunks": before})
        assert after == before, "zarr's settings belong to the process, and other threads read them meanwhile"


def test_the_index_is_at_the_start() -> None:
    _, content = encode_shard(S2, reflectance(), 0)
    index = np.frombuffer(content[: 16 * SIZE], "<u8").reshape(SIZE, 2)
    # Offset and length of each sample, one behind the other, after the index and its checksum.
    assert index[0, 0] == 16 * SIZE + 4
    assert np.array_equal(index[1:, 0], (index[:-1, 0] + index[:-1, 1]))
    assert index[-1].sum() == len(content)


def test_one_sample_is_read_without_the_others(tmp_path: Path) -> None:
    described(tmp_path)
    path, content = encode_shard(S2, reflectance(), 0)
    index = np.frombuffer(content[: 16 * SIZE], "<u8").reshape(SIZE, 2)
    damaged = bytearray(content)
    start, length = (int(n) for n in index[1])
    damaged[start : start + length] = bytes(length)
    put(tmp_path, path, bytes(damaged))
    array = zarr.open_group(tmp_path, mode="r")["stac/s2"]
    assert np.array_equal(array[0], reflectance()[0])  # type: ignore[index]
    assert np.array_equal(array[2], reflectance()[2])  # type: ignore[index]
    with pytest.raises(ValueError, match=r"(?i)checksum"):
        array[1]  # type: ignore[index]


@pytest.fixture(scope="module")
def small() -> tuple[ArrayKind, bytes]:
    values = np.random.default_rng(1).integers(-3_000, 0, (2, 2, 16, 16)).astype(np.int16)
    (_, kind) = platform_arrays("stac", ("s2", "s1"), BANDS, 16)
    return kind, encode_shard(kind, values, 0)[1]


@given(st.data())
@settings(max_examples=60)
def test_damage_of_any_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, small: tuple[ArrayKind, bytes], data: st.DataObject
) -> None:
    kind, content = small
    folder = tmp_path_factory.getbasetemp() / "damaged"
    described(folder, [kind], size=2)
    position, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(content)
    damaged[position] ^= 1 << bit
    put(folder, "stac/s1/c/0/0/0/0", bytes(damaged))
    array = zarr.open_group(folder, mode="r")["stac/s1"]
    with warnings.catch_warnings(), pytest.raises((ValueError, RuntimeError)):
        warnings.simplefilter("ignore")
        array[:2]  # type: ignore[index]


# Arrays of any rank and type


COVER = ArrayKind(
    path="labels/cover",
    dimensions=("y", "x"),
    shape=(9, 7),
    dtype="uint8",
    fill=0,
    codec="zstd",
    attributes={"classes": {"1": "water"}},
)
SERIES = ArrayKind(
    path="labels/series",
    dimensions=("time", "surface", "y", "x"),
    shape=(4, 2, 9, 7),
    dtype="int16",
    fill=-32768,
    step=0.5,
    names={"surface": ("ground", "canopy")},
    attributes={"scale_factor": 0.5, "_FillValue": -32768, "units": "m"},
)
BITS = ArrayKind(path="labels/bits", dimensions=("y", "x"), shape=(9, 7), dtype="uint32", fill=0, codec="zstd")
PLAIN = ArrayKind(path="weather/mean", dimensions=("variable",), shape=(5,), dtype="float32", fill=0)
ALL = [COVER, SERIES, BITS, PLAIN, *KINDS]


def numbers(kind: ArrayKind, seed: int = 1) -> np.ndarray:
    """Values as they are stored, of every kind of array."""
    random = np.random.default_rng(seed)
    if kind.dtype == "float32":
        return random.normal(size=(SIZE, *kind.shape)).astype(np.float32)
    limits = np.iinfo(kind.dtype)
    return random.integers(limits.min + 1, limits.max, (SIZE, *kind.shape), dtype=kind.dtype, endpoint=True)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shard 2 of every kind."""
    folder = described(tmp_path_factory.mktemp("mixed"), ALL)
    for kind in ALL:
        put(folder, *encode_shard(kind, numbers(kind), 2))
    return folder


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.path)
def test_zarr_and_xarray_read_what_was_put_in_whatever_the_rank_and_type(mixed: Path, kind: ArrayKind) -> None:
    rows = slice(2 * SIZE, 3 * SIZE)
    array = zarr.open_group(mixed, mode="r")[kind.path]
    assert array.dtype == np.dtype(kind.dtype)  # type: ignore[union-attr]
    assert array.chunks == (1, *kind.chunk)  # type: ignore[union-attr]
    assert np.array_equal(array[rows], numbers(kind))  # type: ignore[index]
    assert np.array_equal(array[:SIZE], kind.empty(SIZE))  # type: ignore[index]
    with xarray.open_zarr(mixed, group=kind.group, chunks=None, mask_and_scale=False) as data:
        assert data[kind.name].dims == ("sample", *kind.dimensions)
        assert data[kind.name].dtype == np.dtype(kind.dtype)
        assert np.array_equal(data[kind.name][rows].to_numpy(), numbers(kind))
        for axis, values in kind.names.items():
            assert data[axis].to_numpy().tolist() == list(values)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.path)
def test_the_same_values_are_the_same_bytes_whatever_the_rank_and_type(kind: ArrayKind) -> None:
    path, content = encode_shard(kind, numbers(kind), 2)
    assert (path, content) == encode_shard(kind, np.asfortranarray(numbers(kind)), 2)
    assert path == "/".join([kind.path, "c", "2", *["0"] * len(kind.shape)])


@pytest.mark.filterwarnings("error")
def test_the_whole_corpus_opens_as_one_tree_with_a_group_for_each_folder(mixed: Path) -> None:
    with xarray.open_datatree(mixed, engine="zarr", chunks=None) as tree:
        found = {name: set(tree[name].data_vars) for name in tree.children}
    assert found == {"labels": {"cover", "series", "bits"}, "weather": {"mean"}, "stac": {"s2", "s1"}}


@pytest.mark.filterwarnings("error")
def test_steps_are_decoded_by_readers_that_know_cf_conventions(tmp_path: Path) -> None:
    metres = np.array([1.25, np.nan, -100.0, 1e9], np.float32).repeat(SIZE * 4 * 2 * 9 * 7 // 4)
    values = metres.reshape(SIZE, *SERIES.shape)
    described(tmp_path, [SERIES])
    put(tmp_path, *encode_shard(SERIES, SERIES.stored(values), 0))
    with xarray.open_zarr(tmp_path, group="labels", chunks=None) as data:
        found = data["series"][:SIZE].to_numpy()
    expected = np.select([np.isnan(values), values > 1e6], [np.nan, 32767 * 0.5], np.round(values * 2) / 2)
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((SIZE, 9, 8), np.uint8), np.zeros((SIZE, 7, 9), np.uint8), np.zeros((SIZE, 1, 9, 7), np.uint8),
        np.zeros((9, 7), np.uint8), np.zeros((SIZE, 9, 7), np.uint16), np.zeros((SIZE, 9, 7), np.int8),
        np.zeros((SIZE, 9, 7), bool), np.zeros((SIZE, 9, 7), float),
    ],
)  # fmt: skip
def test_values_of_another_shape_or_type_are_refused_with_both(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="labels/cover: got") as caught:
        encode_shard(COVER, values, 0)
    assert str(values.shape) in str(caught.value)
    assert str(values.dtype) in str(caught.value)
    assert "(9, 7)" in str(caught.value)
    assert "uint8" in str(caught.value)

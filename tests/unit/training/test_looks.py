"""The reader of corpora with several roles, dates, masks and chunks: what it gives is what zarr reads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import SpecError
from tasks.shards.array_kinds import ArrayKind
from tasks.training.views import View, chunks_of, parts_of, shape_of
from tests.unit.looked import Looked
from tests.unit.shards.made import LAYER, small
from tests.unit.training.made import Made


@pytest.fixture(scope="module", autouse=True)
def _with_torch() -> None:
    """Imported by who runs these tests, not by each process that collects them: it takes seconds."""
    global torch, DataLoader, CorpusDataset, job
    import torch
    from torch.utils.data import DataLoader

    from tasks.training import job
    from tasks.training.reader import CorpusDataset


# Views


KIND = ArrayKind(
    path="zulu/s2", dimensions=("time", "band", "y", "x"), shape=(3, 2, 24, 24), dtype="uint16", fill=0, tile=8
)


@pytest.mark.parametrize(
    "view",
    [
        View(), View(dates=(2,)), View(dates=(2, 0, 0)), View(square=(0, 0, 8)), View(square=(7, 9, 11)),
        View(dates=(1,), square=(16, 3, 1)), View(square=(0, 0, 24)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tile", [None, 8])
def test_the_parts_of_a_view_are_those_pixels(view: View, tile: int | None) -> None:
    kind = replace(KIND, tile=tile)
    pixels = np.arange(np.prod(kind.shape)).reshape(kind.shape)
    sides = kind.chunk
    grid = [size // side for size, side in zip(kind.shape, sides, strict=True)]
    chunks = [
        pixels[
            tuple(slice(at * side, (at + 1) * side) for at, side in zip(np.unravel_index(n, grid), sides, strict=True))
        ]
        for n in range(chunks_of(kind))
    ]
    found = np.full(shape_of(kind, view), -1)
    for part in parts_of(kind, view):
        found[part.into] = chunks[part.chunk][part.taken]
    top, left, side = view.square or (0, 0, 24)
    dates = list(range(3)) if view.dates is None else list(view.dates)
    assert np.array_equal(found, pixels[dates][..., top : top + side, left : left + side])


def test_a_small_crop_needs_one_chunk_a_date() -> None:
    assert len(parts_of(KIND, View(square=(8, 16, 8)))) == 3
    assert len(parts_of(KIND, View(dates=(1,), square=(8, 16, 8)))) == 1


# Roles


def test_any_roles_are_read_by_their_names(triplets: Looked) -> None:
    bands = {"s2_cloudy": ["B04", "B02"], "s1": ["VV"], "s2_clear": ["B08"]}
    dataset = CorpusDataset(triplets.destination.location, bands=bands, values="physical", clouds=["s2_clear"])
    assert dataset.channels == {"image": ("s2_cloudy_B04", "s2_cloudy_B02", "s1_VV", "s2_clear_B08")}
    assert len(dataset) == 4
    for item in (dataset[at] for at in range(4)):
        sample = item["sample"]
        cloudy, clear = (triplets.pixels(f"stac/{role}")[sample] for role in ("s2_cloudy", "s2_clear"))
        radar = triplets.pixels("stac/s1")[sample][0]
        assert np.array_equal(item["image"][:2], cloudy[[3, 1]])
        assert np.array_equal(item["image"][3], clear[7])
        assert np.allclose(item["image"][2], np.where(radar == -32768, 0, radar * 0.01))
        assert np.array_equal(item["mask_s2_clear_cloud"], triplets.pixels("stac/s2_clear_cloud")[sample])
        assert item["mask_s2_clear_cloud"].dtype == torch.uint8
        assert "there" not in item


def test_every_role_is_normalised_by_its_own_statistics(triplets: Looked) -> None:
    dataset = CorpusDataset(triplets.destination.location, fill=float("nan"), stack=False)
    assert set(dataset.channels) == {"image_s2_clear", "image_s2_cloudy", "image_s1"}
    for key in dataset.channels:
        values = torch.stack([dataset[at][key] for at in range(4)]).transpose(0, 1).flatten(1)
        assert abs(np.nanmean(values, axis=1)).max() < 1e-4
        assert np.nanstd(values, axis=1) == pytest.approx(1, abs=1e-4)


def test_a_mask_that_the_corpus_does_not_have_is_told(triplets: Looked) -> None:
    with pytest.raises(SpecError, match=r"clouds: .* has no 's1'; it has s2_clear\. Name one of them"):
        CorpusDataset(triplets.destination.location, clouds=["s1"])
    with pytest.raises(SpecError, match="dates=2: the corpus looks at a place once"):
        CorpusDataset(triplets.destination.location, dates=2)
    with pytest.raises(SpecError, match="crop=33: the patches have 32 pixels a side"):
        CorpusDataset(triplets.destination.location, crop=33)


# Dates


def test_a_series_is_time_channel_y_x_with_what_is_there(series: Looked) -> None:
    dataset = CorpusDataset(series.destination.location, split=None, values="physical", clouds=["s2"])
    assert dataset.times == ("2018-01-01", "2018-05-02", "2018-09-01")
    assert len(dataset) == 5, "the place without pixels is left out"
    for item in (dataset[at] for at in range(5)):
        sample = item["sample"]
        assert item["image"].shape == (3, 15, 32, 32)
        assert np.array_equal(item["image"][:, :13], series.pixels("stac/s2")[sample])
        assert np.array_equal(item["mask_s2_cloud"], series.pixels("stac/s2_cloud")[sample])
        missing = series.rows.loc[sample, "missing_dates"]
        assert item["date"].tolist() == [0, 1, 2]
        assert item["there"].tolist() == [why is None for why in missing]
    assert not item["there"][1]
    assert not item["image"][1].any()
    batch = next(iter(DataLoader(dataset, batch_size=5)))
    assert (batch["image"].shape, batch["there"].shape) == ((5, 3, 15, 32, 32), (5, 3))


def test_dates_are_given_or_drawn(series: Looked) -> None:
    where: dict[str, Any] = {"corpus": series.destination.location, "split": None, "values": "stored", "stack": False}
    whole = CorpusDataset(**where)
    some = CorpusDataset(**where, dates=[2, 0])[1]
    assert (some["date"].tolist(), some["there"].tolist()) == ([2, 0], [True, True])
    assert torch.equal(some["image_s1"], whole[1]["image_s1"][[2, 0]])
    drawn = CorpusDataset(**where, dates=2)
    torch.manual_seed(1)
    seen = [tuple(drawn[0]["date"].tolist()) for _ in range(40)]
    assert {*seen} == {(0, 1), (0, 2), (1, 2)}
    torch.manual_seed(1)
    assert [tuple(drawn[0]["date"].tolist()) for _ in range(40)] == seen, "by torch's generator"
    lacking = drawn[4]
    assert lacking["date"].tolist() == [0, 2], "those with pixels come first"
    assert torch.equal(lacking["image_s2"], whole[4]["image_s2"][[0, 2]])


@pytest.mark.parametrize(
    ("dates", "words"), [(4, "has 3 dates. Ask for 1 to 3"), ([0, 3], "has the dates 0 to 2"), ([], "dates 0 to 2")]
)
def test_dates_that_the_corpus_does_not_have_are_told(series: Looked, dates: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        CorpusDataset(series.destination.location, dates=dates)


# Crops


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Patches of 64 pixels in chunks of 16, with labels."""
    layer = replace(LAYER, arrays=tuple(replace(kind, shape=(*kind.shape[:-2], 64, 64)) for kind in LAYER.arrays))
    described = replace(small(2, patch={"pixels": 64}, layers={"cover": layer}), tile=16)
    corpus = Made(tmp_path_factory.mktemp("tiled") / "corpus", described)
    for path, content in corpus.description.objects().items():
        corpus.destination.put(path, content)
    for shard in range(2):
        corpus.add(shard)
    return corpus


def test_patches_in_several_chunks_are_read_whole(tiled: Made) -> None:
    dataset = CorpusDataset(tiled.folder, values="stored", stack=False, labels=["cover"])
    for at, sample in enumerate(tiled.samples()):
        assert np.array_equal(dataset[at]["image_s2"], tiled.pixels["zulu/s2"][sample])
        assert np.array_equal(dataset[at]["mask"], tiled.pixels["labels/cover"][sample])


def test_a_crop_is_the_same_square_of_all_arrays_and_its_bounds(tiled: Made) -> None:
    dataset = CorpusDataset(tiled.folder, values="stored", stack=False, labels=["cover"], crop=11)
    torch.manual_seed(3)
    corners: set[tuple[int, int]] = set()
    for _ in range(20):
        item = dataset[2]
        xmin, _, xmax, ymax = item["bounds"].tolist()
        whole = CorpusDataset(tiled.folder, values="stored", stack=False)[2]["bounds"].tolist()
        step = (whole[2] - whole[0]) / 64
        left, top = round((xmin - whole[0]) / step), round((whole[3] - ymax) / step)
        corners.add((top, left))
        assert round((xmax - xmin) / step) == 11
        square = np.s_[..., top : top + 11, left : left + 11]
        assert np.array_equal(item["image_s1"], tiled.pixels["zulu/s1"][item["sample"]][square])
        assert np.array_equal(item["image_s2"], tiled.pixels["zulu/s2"][item["sample"]][square])
        assert np.array_equal(item["mask"], tiled.pixels["labels/cover"][item["sample"]][square])
    assert len(corners) > 10


def test_a_crop_reads_the_chunks_that_it_touches_alone(tiled: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    from tasks.training import shard_reader

    def counted(kind: ArrayKind, content: bytes | None) -> Any:
        decoded.append(kind.path)
        return original(kind, content)

    original = shard_reader.decode
    monkeypatch.setattr(shard_reader, "decode", counted)
    dataset = CorpusDataset(tiled.folder, values="stored", stack=False, crop=16)
    for _ in range(5):
        decoded.clear()
        dataset[0]
        assert len(decoded) <= 2 * 4, "at most four of sixteen chunks an array"


# The example of a job


def test_the_example_of_a_job_takes_roles_and_says_that_it_takes_no_series(
    triplets: Looked,
    series: Looked,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_OUTPUT", str(tmp_path))
    monkeypatch.setenv("DEEPSENTINEL_CORPUS", triplets.destination.location)
    assert job.main(["--epochs", "1", "--width", "4"]) == 0
    monkeypatch.setenv("DEEPSENTINEL_CORPUS", series.destination.location)
    assert job.main(["--epochs", "1", "--width", "4"]) == 1
    told = capsys.readouterr().err
    assert "has 3 dates of each place, and this example takes one image of each" in told
    assert "CorpusDataset" in told

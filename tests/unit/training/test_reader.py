"""The reader: a sample is what the corpus holds, from wherever it is, in whatever process; what is wrong is told."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import CorpusError, DeepSentinelError, DestinationError, SpecError
from tasks.shards.layout import shard_object
from tasks.training.sampling import ShardSampler
from tests.servers.web import web
from tests.unit.shards.made import L2A, described
from tests.unit.training.made import Made, made

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def _with_torch() -> None:
    """Imported by who runs these tests, not by each process that collects them: it takes seconds."""
    global torch, DataLoader, CorpusDataset
    import torch
    from torch.utils.data import DataLoader

    from tasks.training.reader import CorpusDataset


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("made") / "corpus")


@pytest.fixture
def own(corpus: Made, tmp_path: Path) -> Made:
    """A copy that a test may change."""
    shutil.copytree(corpus.folder, tmp_path / "corpus")
    return Made(tmp_path / "corpus", corpus.description, dict(corpus.pixels))


@pytest.fixture(scope="module")
def apart(corpus: Made) -> dict[str, Any]:
    """What a process of its own has seen."""
    with web(corpus.folder) as server:
        command = [sys.executable, "-m", "tests.unit.training.apart", server.url]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert not ended.returncode, ended.stderr
    return json.loads(ended.stdout)


def everything(dataset: Any) -> Any:
    return torch.stack([dataset[index]["image"] for index in range(len(dataset))])


# What a sample is


def test_a_sample_has_the_pixels_of_the_corpus_in_physical_units(corpus: Made) -> None:
    dataset = CorpusDataset(corpus.folder, split="train", labels=["cover"], values="physical")

    assert [dataset[index]["sample"] for index in range(len(dataset))] == corpus.samples("train")
    s2, s1 = (corpus.pixels[f"zulu/{role}"] for role in ("s2", "s1"))
    present = [band for band in range(13) if band != 10]
    for index, sample in enumerate(corpus.samples("train")):
        image = dataset[index]["image"].numpy()
        assert (image[:12] == s2[sample][present]).all()
        valid = s1[sample] != -32768
        assert np.allclose(image[12:][valid], s1[sample][valid] * 0.01)
        assert (image[12:][~valid] == 0).all()
        assert (dataset[index]["mask"].numpy() == corpus.pixels["labels/cover"][sample]).all()


def test_a_sample_has_the_keys_and_types_that_trainers_expect(corpus: Made) -> None:
    dataset = CorpusDataset(corpus.folder, labels=["cover"])
    item = dataset[4]

    assert set(item) == {"image", "mask", "bounds", "crs", "sample_id", "sample"}
    assert (item["image"].dtype, item["image"].shape) == (torch.float32, (14, 16, 16))
    assert (item["mask"].dtype, item["mask"].shape) == (torch.int64, (16, 16))
    assert (item["sample"], item["sample_id"], item["crs"]) == (6, "tiny-00001-0001", "EPSG:32633")
    assert item["bounds"].tolist() == [501_000, 5_001_000, 501_160, 5_001_160]
    assert dataset.channels == {"image": (*(f"s2_{band}" for band in L2A), "s1_VV", "s1_VH")}
    batch = next(iter(DataLoader(dataset, batch_size=3)))
    assert batch["image"].shape == (3, 14, 16, 16)
    assert batch["crs"] == ["EPSG:32632", "EPSG:32633", "EPSG:32633"]


def test_normalised_bands_have_mean_zero_and_deviation_one_over_valid_pixels(corpus: Made) -> None:
    images = everything(CorpusDataset(corpus.folder, fill=float("nan"))).transpose(0, 1).flatten(1)

    for band in images:
        valid = band[~band.isnan()]
        assert 0.8 < len(valid) / len(band) < 0.99
        assert abs(valid.mean()) < 1e-5
        assert abs(valid.std(correction=0) - 1) < 1e-5
    zero = everything(CorpusDataset(corpus.folder)).transpose(0, 1).flatten(1)
    assert torch.equal(torch.nan_to_num(images, nan=0.0), zero), "nodata is the band's mean unless asked otherwise"


def test_bands_come_in_the_order_asked_for(corpus: Made) -> None:
    whole = CorpusDataset(corpus.folder)
    some = CorpusDataset(corpus.folder, bands={"s1": ["VH"], "s2": ["B04", "B03", "B02"]})

    assert some.channels == {"image": ("s1_VH", "s2_B04", "s2_B03", "s2_B02")}
    assert torch.equal(some[1]["image"], whole[1]["image"][[13, 3, 2, 1]])


def test_sensors_may_have_a_key_each_and_stay_as_they_are_stored(corpus: Made) -> None:
    item = CorpusDataset(corpus.folder, values="stored", stack=False)[0]

    assert torch.equal(item["image_s1"], torch.from_numpy(corpus.pixels["zulu/s1"][0]))
    assert item["image_s2"].dtype == torch.uint16
    assert item["image_s2"].shape == (12, 16, 16)
    assert set(CorpusDataset(corpus.folder, stack=False)[0]) >= {"image_s1", "image_s2"}


def test_the_sensors_of_several_platforms_are_told_apart(tmp_path: Path) -> None:
    two = described(size=5, shard_size=5, patch={"pixels": 16})
    corpus = Made(tmp_path / "corpus", two)
    for path, content in two.objects().items():
        corpus.destination.put(path, content)
    corpus.add(0)
    both: Any = {"platforms": ["alpha", "zulu"], "bands": {"s1": ["VV"]}, "values": "physical"}
    stacked, apart = CorpusDataset(corpus.folder, **both), CorpusDataset(corpus.folder, **both, stack=False)[0]

    assert stacked.channels == {"image": ("alpha_s1_VV", "zulu_s1_VV")}
    assert torch.equal(stacked[0]["image"], torch.cat([apart["image_alpha_s1"], apart["image_zulu_s1"]]))
    assert not torch.equal(apart["image_alpha_s1"], apart["image_zulu_s1"])


def test_several_labels_have_a_mask_each_and_values_are_floats(corpus: Made) -> None:
    item = CorpusDataset(corpus.folder, labels=["cover", "height"])[2]

    assert torch.equal(item["mask_cover"], torch.from_numpy(corpus.pixels["labels/cover"][3].astype(np.int64)))
    stored = corpus.pixels["labels/height"][3]
    assert item["mask_height"].shape == (2, 16, 16)
    assert (item["mask_height"].isnan().numpy() == (stored == -32768)).all()
    assert np.nanmax(np.abs(item["mask_height"].numpy() - np.where(stored == -32768, np.nan, stored / 2))) == 0


def test_splits_are_those_of_the_rows_and_places_without_pixels_are_left_out(corpus: Made) -> None:
    sizes = {split: len(CorpusDataset(corpus.folder, split=split)) for split in ("train", "validation", "test", None)}

    assert sizes == {"train": 9, "validation": 2, "test": 3, None: 14}


def test_transforms_are_applied_to_every_sample(corpus: Made) -> None:
    def brighter(item: dict[str, Any]) -> dict[str, Any]:
        return item | {"image": item["image"] + 1}

    plain, changed = CorpusDataset(corpus.folder), CorpusDataset(corpus.folder, transforms=brighter)
    assert torch.equal(changed[5]["image"], plain[5]["image"] + 1)


# Where it is read from, and by whom


def test_over_http_a_sample_is_one_range_request_an_array(corpus: Made) -> None:
    with web(corpus.folder) as server:
        dataset = CorpusDataset(server.url, labels=["cover"])
        dataset[0]
        server.asked.clear()
        item = dataset[1]
        assert sorted(path for path, wanted in server.asked if wanted) == [
            shard_object("labels/cover", 0, 3), shard_object("zulu/s1", 0, 4), shard_object("zulu/s2", 0, 4),
        ]  # fmt: skip
        assert len(server.asked) == 3
        server.asked.clear()
        dataset.__getitems__([5, 4, 3])
        assert len(server.asked) == 12, "an index and three samples of each of three arrays"
    assert torch.equal(item["image"], CorpusDataset(corpus.folder)[1]["image"])


def test_workers_read_the_same_forked_or_spawned(apart: dict[str, Any]) -> None:
    assert (apart["fork"], apart["spawn"]) == (True, True)


def test_what_is_sent_to_a_worker_is_small(corpus: Made) -> None:
    dataset = CorpusDataset(corpus.folder)
    everything(dataset)
    again = pickle.loads(pickle.dumps(dataset))

    assert len(pickle.dumps(dataset)) < 20_000
    assert torch.equal(everything(again), everything(dataset))


def test_with_a_cache_a_shard_is_fetched_once(corpus: Made, tmp_path: Path) -> None:
    with web(corpus.folder) as server:
        expected = everything(CorpusDataset(server.url, cache=tmp_path))
        fetched = [path for path, _ in server.asked if "/c/" in path]
        assert sorted(fetched) == sorted(shard_object(f"zulu/{r}", k, 4) for r in ("s1", "s2") for k in range(3))
        dataset = CorpusDataset(server.url, cache=tmp_path)
        server.asked.clear()
        assert torch.equal(everything(dataset), expected)
        assert not server.asked
    kept = tmp_path / corpus.digest / shard_object("zulu/s2", 0, 4)
    assert kept.read_bytes() == (corpus.folder / shard_object("zulu/s2", 0, 4)).read_bytes(), "by the corpus' digest"


# What is there


def test_a_corpus_that_is_not_released_is_read_in_physical_units_alone(tmp_path: Path) -> None:
    corpus = made(tmp_path / "corpus", built=2, released=False)

    assert len(CorpusDataset(corpus.folder, values="physical", split=None)) == 9, "what is committed"
    with pytest.raises(CorpusError, match="is absent, so pixels cannot be normalised: the corpus is not released"):
        CorpusDataset(corpus.folder)
    with web(corpus.folder) as server, pytest.raises(CorpusError, match="a web server lists no shards"):
        CorpusDataset(server.url, values="physical")


def test_of_a_corpus_that_has_grown_since_what_is_released_is_read(tmp_path: Path) -> None:
    corpus = made(tmp_path / "corpus", built=2)
    before = CorpusDataset(corpus.folder)
    corpus.add(2)

    after = CorpusDataset(corpus.folder, digest=before.digest)
    assert (len(after), after.digest) == (len(before), before.digest)
    with pytest.raises(CorpusError, match=f"not {corpus.digest[:16]} as asked: it has grown or was built anew"):
        CorpusDataset(corpus.folder, digest=corpus.digest)
    corpus.release()
    assert CorpusDataset(corpus.folder, digest=corpus.digest).digest == corpus.digest


def test_statistics_of_another_corpus_are_refused(own: Made) -> None:
    own.release(corpus="0" * 64)
    with pytest.raises(CorpusError, match="is of the corpus 0000000000000000, but"):
        CorpusDataset(own.folder)
    own.release(schema=2)
    with pytest.raises(CorpusError, match="schema: "):
        CorpusDataset(own.folder)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"split": "dev"}, r"has no samples of it; it has test \(3\), train \(9\), validation \(2\)"),
        ({"bands": {"s2": ["B4"]}}, "bands of s2: .* has no 'B4'; it has B01, B02"),
        ({"bands": {"s3": ["B04"]}}, "bands: .* has no 's3'; it has s2, s1"),
        ({"bands": {"s2": []}}, "bands: none are asked for"),
        ({"labels": ["corine"]}, "labels: .* has no 'corine'; it has cover, height"),
        ({"platforms": ["yankee"]}, "platforms: .* has no 'yankee'; it has zulu"),
        ({"values": "raw"}, "values='raw': expected normalised, physical or stored"),
        ({"values": "stored"}, "of different types. Add stack=False"),
    ],
)
def test_what_the_corpus_does_not_have_is_told_with_what_it_has(corpus: Made, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        CorpusDataset(corpus.folder, **asked)


def test_a_band_without_valid_pixels_cannot_be_normalised(corpus: Made) -> None:
    absent: Any = {"bands": {"s2": ["B10"]}}
    with pytest.raises(CorpusError, match="B10 of zulu/s2 has no valid pixels in the split 'train'"):
        CorpusDataset(corpus.folder, **absent)
    assert (CorpusDataset(corpus.folder, values="physical", **absent)[0]["image"] == 0).all()


def test_no_corpus_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus here"):
        CorpusDataset(tmp_path)
    with pytest.raises(DestinationError, match="without a login, a query or a fragment"):
        CorpusDataset("https://example.org/corpus?sig=secret")


@pytest.mark.parametrize("where", ["index", "chunk"])
def test_damage_is_found_and_told(own: Made, where: str) -> None:
    path = own.folder / shard_object("zulu/s2", 1, 4)
    content = bytearray(path.read_bytes())
    content[3 if where == "index" else -50] ^= 1
    path.write_bytes(content)

    dataset = CorpusDataset(own.folder, split=None)
    everything_else = [index for index in range(len(dataset)) if dataset.shards[index] != 1]
    assert len(dataset.__getitems__(everything_else)) == 10
    with pytest.raises(DeepSentinelError, match=rf"zulu/s2/c/1/0/0/0: is damaged: the checksum of .*{where}.*--repair"):
        everything(dataset)


def test_an_object_that_is_absent_is_told(own: Made) -> None:
    (own.folder / shard_object("zulu/s1", 2, 4)).unlink()
    with pytest.raises(CorpusError, match="zulu/s1/c/2/0/0/0: is absent, though its shard is committed"):
        everything(CorpusDataset(own.folder))


# What it needs


def test_it_knows_neither_prefect_nor_a_platforms_client(apart: dict[str, Any]) -> None:
    assert apart["imported"] == []


def test_that_torch_is_absent_is_told_with_the_remedy(apart: dict[str, Any]) -> None:
    told = "SpecError: tasks.training.reader: needs PyTorch, which is in the extra `train`; install it: pip install "
    assert str(apart["without torch"]).startswith(told)


# In which order


def test_every_sample_is_read_once_in_an_order_of_seed_and_epoch() -> None:
    shards = np.repeat(np.arange(20), 10)
    sampler = ShardSampler(shards, seed=3)
    first = list(sampler)

    assert sorted(first) == list(range(200))
    assert first == list(ShardSampler(shards, seed=3))
    sampler.set_epoch(1)
    assert first != list(sampler)
    assert first != list(ShardSampler(shards, seed=4))


def test_samples_of_a_window_of_shards_lie_together_and_are_mixed() -> None:
    shards = np.repeat(np.arange(20), 10)
    order = shards[list(ShardSampler(shards, seed=3, window=4))].reshape(5, 40)

    assert all(len(set(window)) == 4 for window in order)
    assert all(len(set(window[:10])) > 1 for window in order)
    assert sorted(set(order[0])) != [0, 1, 2, 3]


def test_ranks_share_the_samples_and_read_equally_many() -> None:
    shards = np.repeat(np.arange(7), 3)
    parts = [list(ShardSampler(shards, seed=1, rank=rank, ranks=4)) for rank in range(4)]

    assert [len(part) for part in parts] == [5, 5, 5, 5]
    assert len({index for part in parts for index in part}) == 20
    with pytest.raises(ValueError, match="window=0"):
        ShardSampler(shards, window=0)

"""The memory of a shard."""

import pytest

from tasks.spec import CorpusSpec, memory_of_shard
from tasks.spec.memory import MOST_HELD
from tests.unit.spec.specs import values

HELD_A_PIXEL = 45
"""Bytes of two roles: 13 x 2 + 2 x 2, and half as much again while they are encoded."""


def test_a_shard_takes_its_pixels_from_each_platform() -> None:
    one = CorpusSpec.model_validate(values(size=20, shard_size=10, patch={"pixels": 100}))
    two = CorpusSpec.model_validate(
        values(size=20, shard_size=10, patch={"pixels": 100}, platforms=["earthengine", "descarteslabs"])
    )
    assert memory_of_shard(one) == 10 * 100 * 100 * HELD_A_PIXEL
    assert memory_of_shard(two) == 2 * memory_of_shard(one)


def test_every_role_date_and_mask_takes_memory() -> None:
    def held(**changes: object) -> float:
        spec = CorpusSpec.model_validate(values(size=20, shard_size=10, patch={"pixels": 100}, **changes))
        return memory_of_shard(spec) / (10 * 100 * 100)

    triplet = {"s2": {}, "s2_cloudy": {"near": "s2", "max_days": 9}, "s1": {"near": "s2", "max_days": 9}}
    assert held(acquisitions=triplet) == 1.5 * (26 + 26 + 4)
    masked = triplet | {"s2_cloudy": {"near": "s2", "max_days": 9, "mask": "cloud"}}
    assert held(acquisitions=masked) == 1.5 * (26 + 26 + 4 + 1)
    assert held(acquisitions=masked, instants={"slices": 30}) == 30 * held(acquisitions=masked)


def test_a_sample_that_never_fits_is_refused_by_its_pixels() -> None:
    with pytest.raises(ValueError, match=r"one sample of 2048 px at 60 dates would take 11\.3 GB"):
        CorpusSpec.model_validate(values(patch={"pixels": 2048}, instants={"slices": 60}, shard_size=1))


def test_labels_take_memory_too() -> None:
    def held(*labels: object) -> float:
        spec = CorpusSpec.model_validate(values(size=20, shard_size=10, patch={"pixels": 100}, labels=labels))
        return memory_of_shard(spec) / (10 * 100 * 100) - HELD_A_PIXEL

    # Bytes a pixel in arrays, and half as much again while they are encoded.
    assert held("corine") == 1.5
    assert held("osm") == 1.5 * 12
    assert held({"modis": {"raster": "/a.tif", "bands": [1, 2, 3, 4]}}) == 1.5 * 8


def test_a_shard_of_the_default_size_takes_what_was_measured() -> None:
    assert memory_of_shard(CorpusSpec.model_validate(values())) == pytest.approx(0.65e9, rel=0.1)


def test_the_largest_shard_that_is_named_fits_and_a_larger_one_does_not() -> None:
    wanted = {"places": {"points": "/a"}, "patch": {"pixels": 1024}}
    with pytest.raises(ValueError, match="use shard_size: 169 or less"):
        CorpusSpec.model_validate(values(**wanted, shard_size=4096))
    assert memory_of_shard(CorpusSpec.model_validate(values(**wanted, shard_size=169))) <= MOST_HELD
    with pytest.raises(ValueError, match="GB of memory"):
        CorpusSpec.model_validate(values(**wanted, shard_size=170))

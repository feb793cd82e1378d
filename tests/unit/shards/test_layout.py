"""The name of every object of a corpus."""

import pytest

from tasks.shards.layout import (
    commit_object,
    quicklooks_object,
    run_object,
    samples_object,
    shard_object,
    shard_of,
    statistics_object,
    to_json,
)


def test_objects_have_their_documented_names() -> None:
    assert shard_object("stac/s2", 3, 4) == "stac/s2/c/3/0/0/0"
    assert shard_object("labels/corine", 12, 3) == "labels/corine/c/12/0/0"
    assert shard_object("stac/s2_series", 0, 5) == "stac/s2_series/c/0/0/0/0/0"
    assert samples_object(0) == "samples/shard-00000.parquet"
    assert statistics_object(7) == "statistics/shard-00007.parquet"
    assert quicklooks_object(7) == "quicklooks/shard-00007.jpg"
    assert commit_object(12) == "commits/shard-00012.json"
    assert run_object(123_456) == "runs/shard-123456.json"


@pytest.mark.parametrize(
    ("name", "shard"),
    [
        ("shard-00000.parquet", 0), ("shard-00012.json", 12), ("shard-123456.json", 123_456), ("shard-x.json", None),
        ("shard-.json", None), ("partial", None), ("00012.json", None), ("shard--0001.json", None),
    ],
)  # fmt: skip
def test_records_are_told_by_their_names(name: str, shard: int | None) -> None:
    assert shard_of(name) == shard


def test_json_is_the_same_whatever_the_order_of_its_keys() -> None:
    assert to_json({"b": 1, "a": "größtenteils"}) == to_json({"a": "größtenteils", "b": 1})
    assert to_json({"a": "ö"}) == '{\n "a": "ö"\n}\n'.encode()

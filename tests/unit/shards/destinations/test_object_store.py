"""A prefix of a bucket as a destination: what is asked, how often, and what failures become. A made-up store."""

import threading
import time
from typing import Any

import pytest

from tasks.errors import CredentialsError, DestinationError, DestinationUnreachable
from tasks.shards.commits import committed_shards, record_bytes
from tasks.shards.destinations.destination import Stored
from tasks.shards.destinations.object_store import ObjectStore, Page, Trouble
from tasks.shards.destinations.store_settings import GcsSettings
from tasks.shards.layout import commit_object


class Failure(Exception):
    """What the made-up client raises."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(f"it is {trouble.value}")
        self.trouble = trouble


class Memory:
    """A bucket in memory that takes its time, counts, and fails when told to. Pages of 1,000."""

    kind, name = "bucket", "memory"
    to_make_it, to_log_in = "make it", "Log in"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.latency = 0.0
        self.fails: list[Exception] = []
        self.asked: list[str] = []
        self.now, self.most_at_once = 0, 0
        self._lock = threading.Lock()

    def _ask(self, what: str) -> None:
        with self._lock:
            self.asked.append(what)
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
            failure = self.fails.pop() if self.fails else None
        time.sleep(self.latency)
        with self._lock:
            self.now -= 1
        if failure:
            raise failure

    def put(self, key: str, content: bytes) -> Stored:
        self._ask("put")
        self.objects[key] = content
        return Stored.of(content)

    def create(self, key: str, content: bytes) -> None:
        self._ask("create")
        if key in self.objects:
            raise FileExistsError(key)
        self.objects[key] = content

    def get(self, key: str) -> bytes:
        self._ask("get")
        if key not in self.objects:
            raise FileNotFoundError(key)
        return self.objects[key]

    def stat(self, key: str) -> Stored:
        return Stored.of(self.get(key))

    def delete(self, key: str) -> None:
        self._ask("delete")
        if self.objects.pop(key, None) is None:
            raise FileNotFoundError(key)

    def page(self, prefix: str, more: str | None) -> Page:
        self._ask("page")
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        names = [key for key in keys if "/" not in key.removeprefix(prefix)]
        folders = {prefix + key.removeprefix(prefix).partition("/")[0] + "/" for key in keys} - {
            f"{name}/" for name in names
        }
        first = int(more or 0)
        return Page(
            names=tuple(names[first : first + 1000]),
            folders=() if more else tuple(folders),
            more=str(first + 1000) if first + 1000 < len(names) else None,
        )

    def store(self, prefix: str) -> Any:
        raise NotImplementedError

    def trouble(self, error: Exception) -> Trouble | None:
        return error.trouble if isinstance(error, Failure) else None


@pytest.fixture
def bucket() -> Memory:
    return Memory()


@pytest.fixture
def store(bucket: Memory) -> ObjectStore:
    return ObjectStore("gs://memory/a/b", "a/b", GcsSettings(patience=3), lambda: bucket)


def test_everything_is_under_the_prefix(store: ObjectStore, bucket: Memory) -> None:
    bucket.objects |= {"a/bc/d": b"", "a/other": b"", "a/b": b""}
    store.put("x/y", b"1")
    assert bucket.objects["a/b/x/y"] == b"1"
    assert store.top() == ["x"]
    assert store.names("x") == ["y"]
    store.prepare()
    assert store.top() == ["x"], "the probe is gone"


def test_a_listing_goes_on_to_its_last_page(store: ObjectStore, bucket: Memory) -> None:
    bucket.objects |= {f"a/b/{commit_object(shard)}": b"{}" for shard in range(4000)}
    assert committed_shards(store) == set(range(4000))
    assert bucket.asked == ["page"] * 4


def test_records_of_four_thousand_shards_are_read_in_parallel(store: ObjectStore, bucket: Memory) -> None:
    bucket.objects |= {f"a/b/{commit_object(shard)}": b"%d" % shard for shard in range(4000)}
    bucket.latency = 0.005
    assert [int(content) for _, content in record_bytes(store)] == list(range(4000))
    assert bucket.asked.count("get") == 4000
    assert bucket.most_at_once >= 32


@pytest.mark.parametrize("trouble", [Trouble.TRANSIENT, Trouble.THROTTLED, Trouble.UNREACHABLE])
def test_what_may_pass_is_tried_again(store: ObjectStore, bucket: Memory, trouble: Trouble) -> None:
    store.put("x", b"1")
    bucket.fails = [Failure(trouble), Failure(trouble)]
    assert store.get("x") == b"1"
    assert bucket.asked == ["put", "get", "get", "get"]


@pytest.mark.parametrize(
    ("trouble", "kind", "told"),
    [
        (Trouble.LOGIN, CredentialsError, "the login is refused .*Log in; then run the same command"),
        (Trouble.RIGHTS, DestinationError, "this login has no right to .*Ask for the right"),
        (Trouble.SPACE, DestinationError, "a quota is used up .*free some space"),
        (Trouble.ABSENT, DestinationError, "there is no bucket memory.*make it"),
        (Trouble.REFUSED, DestinationError, "the store refuses .*Check the URL"),
    ],
)
def test_what_will_not_pass_is_told_at_once_with_a_remedy(
    store: ObjectStore, bucket: Memory, trouble: Trouble, kind: type[Exception], told: str
) -> None:
    bucket.fails = [Failure(trouble)]
    with pytest.raises(kind, match=rf"gs://memory/a/b: x cannot be written: {told}"):
        store.put("x", b"1")
    assert bucket.asked == ["put"]


def test_a_store_that_does_not_answer_has_an_error_of_its_own(bucket: Memory) -> None:
    store = ObjectStore("gs://memory", "", GcsSettings(patience=0.2), lambda: bucket)
    bucket.fails = [Failure(Trouble.UNREACHABLE)] * 100
    with pytest.raises(DestinationUnreachable) as caught:
        store.get("x")
    assert caught.value.location == "gs://memory"


def test_an_error_that_is_none_of_the_store_s_is_not_hidden(store: ObjectStore, bucket: Memory) -> None:
    bucket.fails = [KeyError("a mistake of ours")]
    with pytest.raises(KeyError):
        store.get("x")


def test_a_bucket_that_is_absent_is_told_where_an_object_need_not_be_there(store: ObjectStore, bucket: Memory) -> None:
    for act in (lambda: store.put("x", b""), lambda: store.create("x", b""), lambda: store.names("x")):
        bucket.fails = [FileNotFoundError("a/b")]
        with pytest.raises(DestinationError, match=r"there is no bucket memory"):
            act()

"""What every destination can do: one specification for folders, Google Cloud Storage and Azure, on their emulators."""

import multiprocessing
import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tasks.errors import CorpusError, CredentialsError, DestinationError, DestinationUnreachable
from tasks.shards.commits import StoredObject, committed_shards, record_bytes
from tasks.shards.description import read_description
from tasks.shards.destinations import Destination, Stored, open_destination
from tasks.shards.survey import survey
from tasks.shards.verification import verify_corpus
from tasks.shards.writing import put_checked, write_shard
from tasks.training.contents import read_contents
from tasks.training.shard_reader import ShardReader, Wanted
from tests.integration.conftest import Clouds
from tests.servers.elsewhere import ask
from tests.servers.store_proxy import Fault, Proxy
from tests.servers.stores import ACCOUNT, BUCKET, KEY
from tests.unit.shards.made import commit_of, contents_of, small
from tests.unit.training.made import made

CONTENT = bytes(range(256)) * 40 + b"\r"


def fresh(kind: str, folder: Path) -> str:
    """A place where nothing is yet."""
    return str(folder / "corpus") if kind == "folder" else f"{kind}://{BUCKET}/{uuid.uuid4().hex}/corpus"


@pytest.fixture(params=["folder", "gs", "az"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """Each kind of destination, empty."""
    if request.param != "folder":
        request.getfixturevalue("clouds")
    return open_destination(fresh(request.param, tmp_path))


@pytest.fixture(params=["gs", "az"])
def cloud(request: pytest.FixtureRequest, clouds: Clouds, tmp_path: Path) -> tuple[Destination, Proxy]:
    """Each kind of store, empty, and what stands in front of it."""
    destination = open_destination(fresh(request.param, tmp_path))
    destination.top()  # the modules are loaded, the login is there
    proxy = clouds.of(destination.location)
    proxy.clear()
    return destination, proxy


# Every destination


def test_what_was_put_is_got_and_looked_at(place: Destination) -> None:
    stored = place.put("a/b/c", CONTENT)
    assert not StoredObject.of("a/b/c", CONTENT).differs(stored)
    assert stored.crc32c or stored.md5
    assert place.get("a/b/c") == CONTENT
    assert place.stat("a/b/c") == stored
    place.put("a/b/c", b"another")
    assert place.get("a/b/c") == b"another"
    assert not StoredObject.of("a/b/c", b"another").differs(place.stat("a/b/c") or Stored.of(b""))


def test_what_is_not_there_is_none(place: Destination) -> None:
    assert place.get("none") is None
    assert place.stat("none") is None
    assert place.names("none") == []
    assert place.top() == []
    place.delete("none")
    place.put("a", b"an object")
    assert place.get("a/below") is None
    assert place.names("a") == []


def test_a_part_is_read_and_one_beyond_the_end_is_short(place: Destination) -> None:
    place.put("a/b", CONTENT)
    assert place.part("a/b", 300, 1000) == CONTENT[300:1300]
    assert place.part("a/b", len(CONTENT) - 10, 100) == CONTENT[-10:]
    assert place.part("none", 0, 10) is None


def test_create_writes_once(place: Destination) -> None:
    assert place.create("commits/x", b"first")
    assert not place.create("commits/x", b"second")
    assert place.get("commits/x") == b"first"


def test_of_many_that_create_exactly_one_wins(place: Destination) -> None:
    barrier = threading.Barrier(8)

    def contend(number: int) -> bool:
        barrier.wait()
        return place.create("commits/x", f"writer {number}".encode() * 100)

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(contend, range(8)))
    assert sum(won) == 1
    assert place.get("commits/x") == f"writer {won.index(True)}".encode() * 100


def test_names_are_those_directly_in_a_folder(place: Destination) -> None:
    for path in ("commits/b", "commits/a", "commits/c/d", "commits2/e", "corpus.json"):
        place.put(path, b"x")
    assert place.names("commits") == ["a", "b"]
    assert [name for name in place.top() if name != "runs"] == ["commits", "commits2", "corpus.json"]


def test_deleting_removes_an_object_for_readers_at_once(place: Destination) -> None:
    place.put("commits/a", b"x")
    place.delete("commits/a")
    assert place.get("commits/a") is None
    assert place.names("commits") == []
    place.put("commits/a", b"y")
    assert place.names("commits") == ["a"]


def test_an_object_that_others_remove_meanwhile_is_put_all_the_same(
    request: pytest.FixtureRequest, place: Destination
) -> None:
    # As two builds do that make the same release: each removes its record before it puts the files.
    if not place.location.startswith("/"):
        request.getfixturevalue("clouds").of(place.location).latency = 0.02

    def remove() -> None:
        for _ in range(10):
            place.delete("release/files.json")
            time.sleep(0.01)

    with ThreadPoolExecutor(1) as other:
        removing = other.submit(remove)
        while not removing.done():
            assert place.put("release/files.json", CONTENT).size == len(CONTENT)
        removing.result()
    place.put("release/files.json", CONTENT)
    assert place.get("release/files.json") == CONTENT


def test_preparing_leaves_nothing(place: Destination) -> None:
    place.prepare()
    place.prepare()
    assert place.top() == []


def test_zarr_reads_what_was_put(place: Destination) -> None:
    description = small(shards=1)
    for path, content in description.objects().items():
        place.put(path, content)
    assert read_description(place) == description
    group = zarr.open_group(place.store(), mode="r")
    found: Any = group["zulu/s2"]
    assert found.shape == (5, 13, 16, 16)
    assert np.all(found[:] == 0), "no shard is there, so that all is nodata"


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_other_processes_use_it_too_forked_or_spawned(place: Destination, method: str) -> None:
    place.put("a", b"x")
    context = multiprocessing.get_context(method)
    answers: Any = context.Queue()
    process = context.Process(target=ask, args=(place.location, answers))
    process.start()
    try:
        assert answers.get(timeout=120) == (b"x", True, [])
    finally:
        process.join(20)
        process.kill()
    assert place.get("b") == str(process.pid).encode(), "and this one goes on"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_destination_that_was_opened_before_a_fork_works_after_it(place: Destination) -> None:
    place.put("a", b"x")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, place.get("a") or b"?")
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    os.waitpid(child, 0)


@pytest.mark.parametrize("cached", [False, True])
def test_samples_are_read_to_train_here_and_in_a_fork(place: Destination, tmp_path: Path, cached: bool) -> None:
    corpus = made(tmp_path / "made", shards=2)
    for path in corpus.folder.rglob("*"):
        if path.is_file() and "runs" not in path.parts:
            place.put(str(path.relative_to(corpus.folder)), path.read_bytes())
    contents = read_contents(place, split=None, digest=corpus.digest)
    assert contents.samples.tolist() == [n for n in range(10) if n != 7]
    reader = ShardReader(place.location, 5, cache=tmp_path / "cache" if cached else None, reads=8)
    kinds = {kind.path: kind for kind in contents.description.arrays}
    wanted = [Wanted(kind=kind, shard=n // 5, row=n % 5) for n in (8, 1) for kind in kinds.values()]
    expected = [corpus.pixels[path][n] for n in (8, 1) for path in kinds]
    for found, held in zip(reader.pixels(wanted), expected, strict=True):
        assert (found == held).all()
    with multiprocessing.get_context("fork").Pool(1) as forked:
        again = forked.apply(_read, (reader, wanted))
    assert all((found == held).all() for found, held in zip(again, expected, strict=True))


def _read(reader: ShardReader, wanted: list[Wanted]) -> list[Any]:
    return list(reader.pixels(wanted))


def test_two_builds_with_different_bytes_leave_no_mixture(place: Destination) -> None:
    description, barrier = small(), threading.Barrier(2)
    whole = contents_of(description, 0)
    other = {path: content + b"of other software" for path, content in whole.items()}

    def build(contents: dict[str, bytes]) -> str:
        barrier.wait()
        try:
            return str(write_shard(place, commit_of(contents, 0), contents))
        except CorpusError as error:
            return str(error)

    with ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(build, (whole, other)))
    assert sum("shard 0" in one or "came back different" in one for one in ended) >= 1, ended
    faults = verify_corpus(place, description, lambda _: None)
    assert not [fault for fault in faults if fault.shard is not None], "no record stands above the other's objects"


# Requests


def test_a_put_is_one_put_whatever_the_size(cloud: tuple[Destination, Proxy]) -> None:
    destination, proxy = cloud
    content = os.urandom(1 << 20) * 70
    destination.put("big", content)
    assert proxy.count("put") == 1
    assert Stored.of(destination.get("big") or b"") == Stored.of(content)


def test_a_file_is_put_as_bytes_are_and_again_after_a_failure(cloud: tuple[Destination, Proxy], tmp_path: Path) -> None:
    destination, proxy = cloud
    file = tmp_path / "rows"
    file.write_bytes(os.urandom(3 << 20))
    proxy.faults.append(Fault(how="503"))
    put_checked(destination, StoredObject.of("rows", file), file)
    assert destination.get("rows") == file.read_bytes()
    assert proxy.count("put") == 2, "one that was refused, and one for all of it"


def test_what_is_done_is_one_listing_and_records_are_read_in_parallel(cloud: tuple[Destination, Proxy]) -> None:
    destination, proxy = cloud
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda shard: destination.put(f"commits/shard-{shard:05d}.json", b"{}"), range(200)))
    proxy.clear()
    assert committed_shards(destination) == set(range(200))
    assert [one.kind for one in proxy.seen] == ["list"]
    proxy.clear()
    proxy.latency = 0.1
    assert len(list(record_bytes(destination))) == 200
    assert proxy.count("get") == 200
    assert proxy.most_at_once >= 16, "in parallel, not one after the other"


def test_a_corpus_is_surveyed_and_verified_by_what_the_store_says_of_it(cloud: tuple[Destination, Proxy]) -> None:
    destination, proxy = cloud
    description = small()
    for path, content in description.objects().items():
        destination.put(path, content)
    for shard in range(4):
        contents = contents_of(description, shard)
        for path, content in contents.items():
            destination.put(path, content)
        destination.create(f"commits/shard-{shard:05d}.json", commit_of(contents, shard).to_bytes())
    proxy.clear()
    assert survey(destination).done == (0, 1, 2, 3)
    # The description, a listing of commits and of runs, and a record a shard.
    assert len(proxy.seen) <= 4 + 4
    proxy.clear()
    assert verify_corpus(destination, description, lambda _: None) == []
    assert proxy.count("get", "/s2/c/") == 0, "no pixel is read"
    assert proxy.count("stat", "/s2/c/") == 4
    destination.put("zulu/s2/c/2/0/0/0", b"other")
    (fault,) = verify_corpus(destination, description, lambda _: None)
    assert (fault.shard, fault.path) == (2, "zulu/s2/c/2/0/0/0")


# Faults


def test_a_body_that_breaks_off_is_asked_for_again(cloud: tuple[Destination, Proxy]) -> None:
    destination, proxy = cloud
    destination.put("a", CONTENT)
    proxy.clear()
    proxy.faults.append(Fault(how="cut", times=2))
    assert destination.get("a") == CONTENT
    assert proxy.count("get") == 3


@pytest.mark.parametrize("how", ["503", "429", "500", "drop", "lose"])
def test_what_fails_for_a_while_is_tried_again(cloud: tuple[Destination, Proxy], how: str) -> None:
    destination, proxy = cloud
    put_checked(destination, StoredObject.of("a", CONTENT), CONTENT)
    for act in (
        lambda: put_checked(destination, StoredObject.of("a", CONTENT), CONTENT),
        lambda: destination.get("a"),
        lambda: destination.stat("a"),
        lambda: destination.names(""),
        lambda: destination.delete("none"),
    ):
        proxy.faults.append(Fault(how=how, times=2))
        act()
        assert not [fault for fault in proxy.faults if fault.times]
    assert destination.get("a") == CONTENT


@pytest.mark.parametrize("how", ["truncate", "flip", "lie"])
def test_an_upload_that_is_damaged_on_its_way_is_noticed_and_repeated(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    # A shared key signs the length too, which the proxy changes; a signature that is a token does not.
    monkeypatch.setenv("DEEPSENTINEL_AZURE_CONNECTION_STRING", sas(clouds.az.url))
    for kind in ("gs", "az"):
        destination = open_destination(fresh(kind, tmp_path))
        proxy = clouds.of(destination.location)
        where = "stat" if (kind, how) == ("az", "lie") else "put"
        proxy.faults.append(Fault(how=how, when=lambda asked, where=where: asked.kind == where))
        put_checked(destination, StoredObject.of("a", CONTENT), CONTENT)
        assert destination.get("a") == CONTENT
        assert proxy.count("put") == 2


def test_an_upload_that_is_never_right_is_given_up(cloud: tuple[Destination, Proxy]) -> None:
    destination, proxy = cloud
    where = "stat" if destination.location.startswith("az:") else "put"
    proxy.faults.append(Fault(how="lie", when=lambda asked: asked.kind == where, times=1000))
    with pytest.raises(CorpusError, match="came back different from what was written, 3 times"):
        put_checked(destination, StoredObject.of("a", CONTENT), CONTENT)


def test_a_create_whose_answer_was_lost_is_found_by_reading(cloud: tuple[Destination, Proxy]) -> None:
    destination, proxy = cloud
    proxy.faults.append(Fault(how="lose", when=lambda asked: asked.kind == "put"))
    assert not destination.create("commits/x", b"mine")
    assert destination.get("commits/x") == b"mine"


def test_a_store_that_stays_silent_is_out_of_reach_after_its_patience(
    cloud: tuple[Destination, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, proxy = cloud
    for store in ("GCS", "AZURE"):
        monkeypatch.setenv(f"DEEPSENTINEL_{store}_PATIENCE", "1")
    destination = open_destination(before.location)
    proxy.down = True
    began = time.monotonic()
    with pytest.raises(DestinationUnreachable, match=r"after .* attempts in 1 s") as caught:
        destination.put("a", b"x")
    assert time.monotonic() - began < 10
    assert caught.value.location == destination.location
    assert "Run the same command later" in str(caught.value)


# Refusals


@pytest.mark.parametrize("kind", ["gs", "az"])
def test_a_bucket_that_is_not_there_is_told_with_how_to_make_it(clouds: Clouds, kind: str) -> None:
    destination = open_destination(f"{kind}://no-such-bucket/corpus")
    with pytest.raises(DestinationError, match=r"there is no (bucket|container) no-such-bucket.*create") as caught:
        destination.prepare()
    assert destination.location in str(caught.value)


def test_credentials_that_may_only_read_are_told_and_leave_nothing(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_AZURE_CONNECTION_STRING", sas(clouds.az.url, rights="rl"))
    clouds.gs.faults.append(Fault(how="403", when=lambda asked: asked.kind == "put"))
    for kind in ("gs", "az"):
        destination = open_destination(fresh(kind, Path()))
        with pytest.raises(DestinationError, match=r"no right to.*Ask for the right to read, write, list and delete"):
            destination.prepare()
        assert destination.top() == []


def test_a_signature_that_has_expired_is_told_without_being_shown(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sas(clouds.az.url, hours=-1)
    monkeypatch.setenv("DEEPSENTINEL_AZURE_CONNECTION_STRING", text)
    clouds.gs.faults.append(Fault(how="401"))
    for kind in ("gs", "az"):
        with pytest.raises(CredentialsError, match="the login is refused") as caught:
            open_destination(fresh(kind, Path())).prepare()
        assert "sig=" not in str(caught.value)
    assert "DEEPSENTINEL_AZURE_SAS_TOKEN" in str(caught.value)


def test_a_quota_that_is_used_up_is_named_as_such(cloud: tuple[Destination, Proxy]) -> None:
    destination, proxy = cloud
    proxy.faults.append(Fault(how="507", when=lambda asked: asked.kind == "put"))
    with pytest.raises(DestinationError, match=r"a quota is used up.*Have it raised"):
        destination.put("a", b"x")


def sas(url: str, *, rights: str = "rwdlc", hours: float = 1) -> str:
    """A connection string with a shared access signature."""
    import datetime as dt

    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    token = generate_account_sas(
        account_name=ACCOUNT,
        account_key=KEY,
        resource_types=ResourceTypes(service=True, container=True, object=True),
        permission=AccountSasPermissions.from_string(rights),
        expiry=dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours),
        start=dt.datetime.now(dt.UTC) - dt.timedelta(hours=2),
    )
    return f"BlobEndpoint={url}/{ACCOUNT};SharedAccessSignature={token}"

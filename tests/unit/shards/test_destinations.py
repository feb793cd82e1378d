"""Folders as destinations: objects appear whole or not at all, once or not at all."""

import errno
import os
import shutil
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zarr

from tasks.errors import DestinationError, SpecError
from tasks.shards.commits import StoredObject
from tasks.shards.destinations import LocalFolder, Stored, open_destination
from tests.unit.shards.made import small


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(str(tmp_path / "corpus"))


def leftovers(destination: LocalFolder) -> list[Path]:
    partial = Path(destination.location, "runs", "partial")
    return list(partial.iterdir()) if partial.is_dir() else []


def test_what_was_put_is_got(folder: LocalFolder) -> None:
    folder.put("a/b/c", b"one")
    assert folder.get("a/b/c") == b"one"
    folder.put("a/b/c", b"another")
    assert folder.get("a/b/c") == b"another"
    folder.put("empty", b"")
    assert folder.get("empty") == b""
    assert leftovers(folder) == []


def test_putting_says_what_reading_back_gives(folder: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.put("a", b"123456789") == Stored(size=9, crc32c="4waSgw==", md5=None)

    def worn_out(file: int) -> None:
        os.pwrite(file, b"0", 8)

    # What the disk gives back, not what was asked to be written.
    monkeypatch.setattr(os, "fsync", worn_out)
    assert StoredObject.of("a", b"123456789").differs(folder.put("a", b"123456789"))


@pytest.mark.parametrize("size", [0, 9, (1 << 20) + 1])
def test_a_file_is_put_as_its_bytes_are(folder: LocalFolder, tmp_path: Path, size: int) -> None:
    content, file = os.urandom(size), tmp_path / "file"
    file.write_bytes(content)
    assert Stored.of(file) == Stored.of(content)
    assert folder.put("a", file) == folder.put("b", content)
    assert folder.get("a") == content
    assert file.exists()
    assert leftovers(folder) == []


def test_a_corpus_is_read_part_by_part_through_its_store(folder: LocalFolder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path, content in small().objects().items():
            folder.put(path, content)
        group = zarr.open_group(folder.store(), mode="r")
    assert group["zulu/s2"].shape == (20, 13, 16, 16)  # type: ignore[union-attr]
    with pytest.raises((ValueError, NotImplementedError)):
        zarr.open_group(folder.store(), mode="r+").create_group("more")


def test_nothing_but_the_protocol_is_public() -> None:
    public = {name for name in vars(LocalFolder("/x")) | vars(LocalFolder) if not name.startswith("_")}
    protocol = {"location", "prepare", "put", "create", "get", "part", "stat", "names", "top", "delete", "store"}
    assert public == protocol | {"free", "volume", "leaving_no_folders"}, "and what OnDisk adds"


def test_what_is_not_there_is_none(folder: LocalFolder) -> None:
    assert folder.get("none") is None
    folder.put("a", b"a file")
    assert folder.get("a/below") is None
    assert folder.names("none") == []
    assert folder.names("a") == []
    folder.delete("none")


def test_create_writes_once(folder: LocalFolder) -> None:
    assert folder.create("commits/x", b"first")
    assert not folder.create("commits/x", b"second")
    assert folder.get("commits/x") == b"first"
    assert leftovers(folder) == []


def test_of_many_threads_that_create_exactly_one_wins(folder: LocalFolder) -> None:
    barrier = threading.Barrier(16)

    def contend(number: int) -> bool:
        barrier.wait()
        return folder.create("commits/x", f"writer {number}".encode() * 1000)

    for _ in range(5):
        with ThreadPoolExecutor(16) as threads:
            won = list(threads.map(contend, range(16)))
        assert sum(won) == 1
        assert folder.get("commits/x") == f"writer {won.index(True)}".encode() * 1000
        folder.delete("commits/x")
    assert leftovers(folder) == []


def test_a_reader_never_sees_a_part_of_an_object(folder: LocalFolder) -> None:
    contents = [bytes([n]) * 2_000_000 for n in (1, 2)]
    folder.put("object", contents[0])
    stop = threading.Event()

    def write() -> None:
        for n in range(40):
            folder.put("object", contents[n % 2])
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        assert folder.get("object") in contents
    writer.join()


def test_names_are_those_of_files_sorted(folder: LocalFolder) -> None:
    for name in ("b", "a", "c/d"):
        folder.put(f"commits/{name}", b"")
    assert folder.names("commits") == ["a", "b"]


def test_deleting_removes_an_object(folder: LocalFolder) -> None:
    folder.put("a", b"x")
    folder.delete("a")
    assert folder.get("a") is None


# Preparing


def test_preparing_leaves_nothing_behind_not_even_the_folder(folder: LocalFolder) -> None:
    folder.prepare()
    assert not Path(folder.location).exists()
    folder.put("a", b"a file")
    before = sorted(Path(folder.location).rglob("*"))
    folder.prepare()
    assert sorted(Path(folder.location).rglob("*")) == before


def test_preparing_drops_what_killed_runs_left_but_not_what_is_being_written(folder: LocalFolder) -> None:
    folder.put("a", b"a file")
    old, new = (Path(folder.location, "runs/partial", name) for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    folder.prepare()
    assert leftovers(folder) == [new]


def test_preparing_is_not_disturbed_by_a_partial_file_that_is_gone_when_it_is_looked_at(folder: LocalFolder) -> None:
    # As when another process finishes writing between the listing and the look; a dangling link is the same each time.
    folder.put("a", b"a file")
    Path(folder.location, "runs/partial/gone").symlink_to("nowhere")
    folder.prepare()


# Locations


@pytest.mark.parametrize(
    ("location", "absolute"),
    [
        ("/data/corpus", "/data/corpus"),
        ("data/corpus", str(Path("data/corpus").absolute())),
        ("file:///data/my%20corpus", "/data/my corpus"),
        ("file:///data/corpus", "/data/corpus"),
    ],
)
def test_a_folder_is_given_as_a_path_or_a_file_url(location: str, absolute: str) -> None:
    assert open_destination(location).location == absolute


def test_a_relative_folder_is_the_one_it_was_when_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = open_destination("corpus")
    monkeypatch.chdir(tmp_path / "there")
    folder.put("a", b"x")
    assert folder.location == str(tmp_path / "here" / "corpus")
    assert (tmp_path / "here" / "corpus" / "a").read_bytes() == b"x"
    assert not (tmp_path / "there" / "corpus").exists()


def test_two_spellings_of_one_folder_have_one_location(tmp_path: Path) -> None:
    assert open_destination(f"{tmp_path}/x/../y/").location == open_destination(f"{tmp_path}/y").location


def test_a_home_folder_is_expanded() -> None:
    assert open_destination("~/corpus").location == str(Path.home() / "corpus")


def test_a_file_url_with_a_host_is_refused() -> None:
    # file://data/corpus means the folder /corpus of the host `data`, which nobody who writes it wants.
    with pytest.raises(SpecError, match="file://data/corpus"):
        open_destination("file://data/corpus")


@pytest.mark.parametrize("location", ["s3://bucket/corpus", "https://host/corpus", "gcs://bucket/corpus"])
def test_a_store_that_cannot_be_written_is_refused(location: str) -> None:
    with pytest.raises(SpecError, match="expected a folder, a file:// URL, gs://BUCKET/PREFIX or az://CONTAINER"):
        open_destination(location)


# Remedies


def refused(destination: LocalFolder) -> list[str]:
    """What each way to write says."""
    messages = []
    for write in (
        destination.prepare,
        lambda: destination.put("a/b", b"x" * 3_000_000),
        lambda: destination.create("a/c", b"x" * 3_000_000),
    ):
        with pytest.raises(DestinationError) as caught:
            write()
        assert destination.location in str(caught.value)
        assert "then run the same command" in str(caught.value)
        messages.append(str(caught.value))
    return messages


def test_a_path_through_a_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for message in refused(LocalFolder(str(tmp_path / "file" / "corpus"))):
        assert os.strerror(errno.ENOTDIR) in message
        assert "choose another folder" in message


def test_an_object_that_is_a_folder_cannot_be_read_or_replaced(folder: LocalFolder) -> None:
    folder.put("a/b", b"")
    for act in (lambda: folder.get("a"), lambda: folder.put("a", b"x"), lambda: folder.delete("a")):
        with pytest.raises(DestinationError, match="a cannot be"):
            act()
    assert leftovers(folder) == []


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where mounting is allowed."""
    where = tmp_path / "small"
    where.mkdir()
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", where], capture_output=True).returncode
    ):
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)


def test_a_full_disk_is_told_with_a_remedy_and_nothing_is_left(tmpfs: Path) -> None:
    destination = LocalFolder(str(tmpfs))
    destination.prepare()
    for write in (destination.put, destination.create):
        with pytest.raises(DestinationError) as caught:
            write("big", b"x" * 2_000_000)
        assert os.strerror(errno.ENOSPC) in str(caught.value)
        assert "Free some space" in str(caught.value)
        assert destination.get("big") is None
    assert leftovers(destination) == []
    destination.put("small", b"fits again")


def test_a_read_only_file_system_is_told_with_a_remedy(tmpfs: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", tmpfs], check=True)
    for message in refused(LocalFolder(str(tmpfs / "corpus"))):
        assert os.strerror(errno.EROFS) in message
        assert "mounted read-only" in message


def test_a_folder_without_the_right_to_write_is_told_with_a_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write anywhere, nobody may not
    try:
        for message in refused(LocalFolder(str(tmp_path / "corpus"))):
            assert os.strerror(errno.EACCES) in message
            assert "Ask for the right" in message
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_a_part_is_read_and_one_beyond_the_end_is_short(folder: LocalFolder) -> None:
    folder.put("a", b"0123456789")
    assert folder.part("a", 3, 4) == b"3456"
    assert folder.part("a", 8, 4) == b"89"
    assert folder.part("none", 0, 4) is None

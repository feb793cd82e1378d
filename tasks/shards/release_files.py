"""The files of a release, and the record by which they are verified: `release/files.json`, written last."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from tasks.errors import CorpusError
from tasks.shards.commits import ObjectRecord, StoredObject, corpus_digest, record_bytes
from tasks.shards.destinations import Content, Destination, Stored
from tasks.shards.json_record import Record, damage
from tasks.shards.layout import RELEASE, RELEASE_RECORD, SCHEMA, to_json
from tasks.shards.writing import look, put_checked, whole_copy

T = TypeVar("T")

_AT_ONCE = 8
"""Files looked at, put or copied at once: a page has some thousand small ones, and few are large."""

_DEEP_AT_ONCE = 2
"""Files read at once; each is held in memory, up to some 400 MB."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a release consists of: a function of the corpus and of the software that made it."""

    corpus: str
    """Digest of the corpus of which it was made."""
    files: tuple[StoredObject, ...]
    """In the order of their paths."""

    def to_bytes(self) -> bytes:
        """As stored."""
        return to_json({"schema": SCHEMA, "corpus": self.corpus, "files": [asdict(item) for item in self.files]})


class _File(ObjectRecord):
    path: Annotated[str, Field(pattern=rf"^{RELEASE}(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$")]


class _ReleaseRecord(Record):
    """What `Release.to_bytes` wrote."""

    layout: Annotated[int, Field(alias="schema", ge=SCHEMA, le=SCHEMA)]
    corpus: str
    files: tuple[_File, ...]


def parse_release(content: bytes) -> Release | str:
    """The record of a release from its bytes, or what is wrong with it."""
    try:
        record = _ReleaseRecord.model_validate_json(content)
    except ValidationError as error:
        return f"is damaged ({damage(error)})"
    return Release(corpus=record.corpus, files=tuple(item.object() for item in record.files))


def put_release(
    destinations: Sequence[Destination], contents: Mapping[str, Content], *, digest: str | None = None
) -> None:
    """Put the files of a release, by path, wherever they differ, and their record last.

    What is given as a file on disk is read part by part; `digest` is that of the corpus of which the files were made.
    While files are replaced there is no record, so that none stands above the files of two releases.
    Raises DestinationError; CorpusError: the destinations hold different corpora, or another one than the files are of,
    or what was put came back different.
    """
    files = tuple(StoredObject.of(path, contents[path]) for path in sorted(contents))
    held = common_digest(destinations)
    need_unchanged(destinations[0], held, digest or held)
    record = Release(corpus=held, files=files).to_bytes()

    def put(destination: Destination) -> None:
        held = destination.get(RELEASE_RECORD)
        problems = _each(lambda item: item.difference(look(destination, item.path)), files)
        wanting = [item for item, problem in zip(files, problems, strict=True) if problem]
        if held == record and not wanting:
            return
        destination.delete(RELEASE_RECORD)
        before = parse_release(held or b"")
        old = () if isinstance(before, str) else before.files
        _each(lambda item: destination.delete(item.path), [item for item in old if item.path not in contents])
        _each(lambda item: put_checked(destination, item, contents[item.path]), wanting)
        destination.put(RELEASE_RECORD, record)

    with ThreadPoolExecutor(len(destinations), thread_name_prefix="release") as threads:
        list(threads.map(put, destinations))


def need_unchanged(destination: Destination, digest: str, before: str) -> None:
    """See that a corpus is what it was when a release of it was begun. Raises CorpusError: shards came or went."""
    if digest != before:
        raise CorpusError(
            f"{destination.location}: shards were committed or withdrawn while it was released, and nothing of the "
            "release is kept. End what builds or repairs it, and build again."
        )


def common_digest(destinations: Sequence[Destination]) -> str:
    """The digest of the corpus that all destinations hold. Raises CorpusError: a shard is another one somewhere."""
    with ThreadPoolExecutor(len(destinations), thread_name_prefix="digest") as threads:
        first, *others = threads.map(corpus_digest, destinations)
    for destination, digest in zip(destinations[1:], others, strict=True):
        if digest != first and (differing := differing_shards(destinations[0], destination)):
            raise CorpusError(
                f"{destination.location}: shard {differing[0]} is another one than in {destinations[0].location}, and "
                f"so are {len(differing) - 1} more: builds with different software have written them. `deepsentinel "
                f"verify --repair {destinations[0].location} {destination.location}` makes the second equal to the "
                "first."
            )
    return first


def differing_shards(first: Destination, second: Destination) -> list[int]:
    """Shards of which both have a record, but not the same one, in order."""
    known = dict(record_bytes(first))
    return [shard for shard, content in record_bytes(second) if known.get(shard, content) != content]


def copy_release(source: Destination, target: Destination) -> bool:
    """Copy the files of a release and their record; says whether they are whole in the source, or there are none.

    Of a damaged release nothing is copied. Raises DestinationError; CorpusError: what was put came back different.
    """
    record = source.get(RELEASE_RECORD)
    return not source.names(RELEASE) if record is None else _restored(target, record, [source])


def restore_release(destination: Destination, others: Sequence[Destination]) -> bool:
    """Restore the files of a release and their record from whichever copies have them; says whether they do.

    Raises DestinationError; CorpusError: what was put came back different.
    """
    copies = [destination, *others]
    records = dict.fromkeys(record for one in copies if (record := one.get(RELEASE_RECORD)) is not None)
    return any(_restored(destination, record, copies) for record in records)


def _restored(target: Destination, record: bytes, copies: Sequence[Destination]) -> bool:
    """Have a release in `target`, each file from the first copy that has it whole; whether all are whole somewhere."""
    release = parse_release(record)
    if isinstance(release, str):
        return False
    # Looked at before anything is written: what is read is held in memory.
    if not all(_each(lambda item: any(not item.difference(look(one, item.path)) for one in copies), release.files)):
        return False

    def restore(item: StoredObject) -> bool:
        if not item.difference(look(target, item.path)):
            return True
        target.delete(RELEASE_RECORD)
        content = whole_copy(copies, item)
        if content is not None:  # else damaged since
            put_checked(target, item, content)
        return content is not None

    if not all(_each(restore, release.files)):
        return False
    target.put(RELEASE_RECORD, record)
    return True


def _each(act: Callable[[StoredObject], T], items: Sequence[StoredObject]) -> list[T]:
    """What comes of each of many files, some at once; after the first that fails no others are begun."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="release") as threads:
        doing = [threads.submit(act, item) for item in items]
        try:
            return [one.result() for one in doing]
        finally:
            for one in doing:
                one.cancel()


def verify_release(destination: Destination, *, deep: bool = False) -> Iterator[tuple[str, str]]:
    """What is wrong with the files of a release: paths, and the problem in words. None where there is no release.

    By what the destination says of each file or, with `deep`, by reading it. Raises DestinationError.
    """
    record = destination.get(RELEASE_RECORD)
    if record is None:
        if destination.names(RELEASE):
            yield RELEASE_RECORD, "is missing: the release was not finished"
        return
    release = parse_release(record)
    if isinstance(release, str):
        yield RELEASE_RECORD, release
        return

    def examine(item: StoredObject) -> str | None:
        content = destination.get(item.path) if deep else None
        return item.difference(Stored.of(content) if content is not None else look(destination, item.path))

    with ThreadPoolExecutor(_DEEP_AT_ONCE if deep else _AT_ONCE, thread_name_prefix="release") as threads:
        for item, problem in zip(release.files, threads.map(examine, release.files), strict=True):
            if problem:
                yield item.path, problem

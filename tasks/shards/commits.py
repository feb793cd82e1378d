"""Commit records: a shard exists if its record does."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from tasks.errors import CorpusError
from tasks.notices import told_if_slow
from tasks.scenes.reasons import Reason, Rejection
from tasks.shards.destinations import Content, Destination, Stored
from tasks.shards.json_record import Record, damage
from tasks.shards.layout import COMMITS, SCHEMA, commit_object, shard_of, to_json
from tasks.shards.pairing_counts import Count, PairingCounts, PairingRecord

_AT_ONCE = 64
"""Records read at once: a request to a store takes tens of milliseconds, nearly all of it waiting."""

_PORTION = 1024
"""Records asked for before the first of them is used."""


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object of a shard and how to recognise it."""

    path: str
    size: int
    """Bytes."""
    crc32c: str
    """Base64 of the big-endian checksum, as Google Cloud Storage gives it."""
    md5: str
    """Base64, as Azure Blob Storage gives it."""

    @classmethod
    def of(cls, path: str, content: Content) -> "StoredObject":
        """Describe an object."""
        stored = Stored.of(content)
        return cls(path=path, size=stored.size, crc32c=stored.crc32c or "", md5=stored.md5 or "")

    def differs(self, stored: Stored) -> bool:
        """Whether what a store holds is another object, as far as the store tells."""
        return (
            stored.size != self.size or stored.crc32c not in (None, self.crc32c) or stored.md5 not in (None, self.md5)
        )

    def difference(self, stored: Stored | None) -> str | None:
        """How what a store holds, None for nothing, is another object, in words; None: it is not."""
        if stored is None:
            return "is missing"
        if stored.size != self.size:
            kind = "is short" if stored.size < self.size else "is too long"
            return f"{kind}: {stored.size} bytes, {self.size} recorded"
        return "is damaged: its checksum is not the recorded one" if self.differs(stored) else None


@dataclass(frozen=True, kw_only=True)
class RejectedCell:
    """A candidate without pixels: its cell or place, and why."""

    cell: int
    why: Rejection


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a finished shard consists of. A function of spec, index and platforms: no clock, host or server's text."""

    shard: int
    rows: int
    """Rows of `samples`; those after the last listed place are none."""
    objects: tuple[StoredObject, ...]
    replaced: tuple[RejectedCell, ...]
    """Candidates that could not be served and gave way to the next one, in the order tried."""
    missing: tuple[RejectedCell, ...]
    """Listed places that keep their row without pixels, in order; a random corpus has none."""
    pairing: PairingCounts

    @property
    def samples(self) -> int:
        """Rows with pixels."""
        return self.rows - len(self.missing)

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(item.size for item in self.objects)

    def to_bytes(self) -> bytes:
        """As stored."""
        return to_json(
            {
                "schema": SCHEMA,
                "shard": self.shard,
                "rows": self.rows,
                "samples": self.samples,
                "objects": [asdict(item) for item in self.objects],
                "replaced": [_flat(item) for item in self.replaced],
                "missing": [_flat(item) for item in self.missing],
                "pairing": self.pairing.to_json(),
            }
        )


def _flat(item: RejectedCell) -> dict[str, str | int | None]:
    return {"cell": item.cell, **asdict(item.why)}


class ObjectRecord(Record):
    """What a record says of an object."""

    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")]
    """Inside the corpus."""
    size: Count
    crc32c: str
    md5: str

    def object(self) -> StoredObject:
        """The object it describes."""
        return StoredObject(path=self.path, size=self.size, crc32c=self.crc32c, md5=self.md5)


class _RejectedRecord(Record):
    cell: Count
    reason: Annotated[Reason, Field(strict=False)]
    platform: str | None
    scene: str | None

    def cell_of(self) -> RejectedCell:
        why = Rejection(reason=self.reason, platform=self.platform, scene=self.scene)
        return RejectedCell(cell=self.cell, why=why)


class _CommitRecord(Record):
    """What `Commit.to_bytes` wrote."""

    layout: Annotated[int, Field(alias="schema", ge=SCHEMA, le=SCHEMA)]
    shard: Count
    rows: Count
    samples: Count
    objects: tuple[ObjectRecord, ...]
    replaced: tuple[_RejectedRecord, ...]
    missing: tuple[_RejectedRecord, ...]
    pairing: PairingRecord

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.samples + len(self.missing) != self.rows:
            raise ValueError(f"{self.samples} samples and {len(self.missing)} missing in {self.rows} rows")
        return self


def parse_commit(content: bytes, shard: int) -> Commit | str:
    """The record of a shard from its bytes, or what is wrong with it."""
    try:
        record = _CommitRecord.model_validate_json(content)
    except ValidationError as error:
        return f"is damaged ({damage(error)})"
    if record.shard != shard:
        return f"is damaged (it is the record of shard {record.shard}, not of {shard})"
    return Commit(
        shard=record.shard,
        rows=record.rows,
        objects=tuple(item.object() for item in record.objects),
        replaced=tuple(item.cell_of() for item in record.replaced),
        missing=tuple(item.cell_of() for item in record.missing),
        pairing=record.pairing.counts(),
    )


def committed_shards(destination: Destination) -> set[int]:
    """Shards that are done: those with a commit record, whatever is in it. One listing."""
    return {shard for name in destination.names(COMMITS) if (shard := shard_of(name)) is not None}


def is_committed(destinations: Iterable[Destination], shard: int) -> bool:
    """Whether every destination has a shard."""
    return all(destination.stat(commit_object(shard)) is not None for destination in destinations)


def read_commit(destination: Destination, shard: int) -> Commit | None:
    """The record of a shard, None where there is none. Raises CorpusError: damaged."""
    content = destination.get(commit_object(shard))
    return None if content is None else sound_commit(destination, shard, content)


def read_commits(destination: Destination, shards: Iterable[int] | None = None) -> Iterator[Commit]:
    """The records of all shards that are done, or of those given, in order; read in parallel.

    Raises CorpusError: one is damaged.
    """
    for shard, content in record_bytes(destination, shards):
        yield sound_commit(destination, shard, content)


def record_bytes(destination: Destination, shards: Iterable[int] | None = None) -> Iterator[tuple[int, bytes]]:
    """Shards and the bytes of their records, in order; read in parallel, a bounded number ahead."""
    wanted = sorted(committed_shards(destination) if shards is None else shards)
    with (
        ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="records") as threads,
        told_if_slow(f"reading commit records of {destination.location}") as say,
    ):
        for start in range(0, len(wanted), _PORTION):
            some = wanted[start : start + _PORTION]
            contents = threads.map(lambda shard: destination.get(commit_object(shard)), some)
            for shard, content in zip(some, contents, strict=True):
                if content is not None:
                    yield shard, content
            say(start + len(some), len(wanted))


def corpus_digest(destination: Destination) -> str:
    """Digest of a corpus: SHA-256 over its commit records in order."""
    digest = hashlib.sha256()
    for _, content in record_bytes(destination):
        digest.update(content)
    return digest.hexdigest()


def reasons_of(rejected: Iterable[RejectedCell]) -> Counter[Reason]:
    """How often each reason stands in a list."""
    return Counter(item.why.reason for item in rejected)


def sound_commit(destination: Destination, shard: int, content: bytes) -> Commit:
    """The record of a shard from its bytes. Raises CorpusError: damaged."""
    commit = parse_commit(content, shard)
    if isinstance(commit, str):
        raise CorpusError(
            f"{destination.location}/{commit_object(shard)}: {commit}. `deepsentinel verify --repair "
            f"{destination.location}` withdraws the shard, and the next build makes it again."
        )
    return commit

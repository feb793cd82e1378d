"""Commit records: a shard exists if its record does."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Self

import google_crc32c
from pydantic import Field, ValidationError, model_validator

from tasks.errors import CorpusError
from tasks.shards.destinations import LocalFolder
from tasks.shards.json_record import Record, damage
from tasks.shards.layout import SCHEMA, commit_object, shard_of, to_json
from tasks.shards.pairing_counts import Count, PairingCounts, PairingRecord


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
    def of(cls, path: str, content: bytes) -> "StoredObject":
        """Describe an object."""
        crc = google_crc32c.value(content).to_bytes(4, "big")
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        return cls(
            path=path, size=len(content), crc32c=base64.b64encode(crc).decode(), md5=base64.b64encode(md5).decode()
        )


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a finished shard consists of."""

    shard: int
    rows: int
    """Rows of `samples`; those after the last listed place are none."""
    samples: int
    """Rows with pixels."""
    missing: dict[str, int]
    """Rows without pixels by the kind of reason; a random corpus has none."""
    objects: tuple[StoredObject, ...]
    replaced: tuple[tuple[int, str], ...]
    """Cells of the candidates that could not be served, in the order tried, and why."""
    pairing: PairingCounts

    def to_bytes(self) -> bytes:
        """As stored."""
        return to_json(
            {
                "schema": SCHEMA,
                "shard": self.shard,
                "rows": self.rows,
                "samples": self.samples,
                "missing": self.missing,
                "objects": [asdict(item) for item in self.objects],
                "replaced": [{"cell": cell, "reason": reason} for cell, reason in self.replaced],
                "pairing": self.pairing.to_json(),
            }
        )


class _ObjectRecord(Record):
    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")]
    """Inside the corpus."""
    size: Count
    crc32c: str
    md5: str


class _ReplacedRecord(Record):
    cell: Count
    reason: str


class _CommitRecord(Record):
    """What `Commit.to_bytes` wrote."""

    layout: Annotated[int, Field(alias="schema", ge=SCHEMA, le=SCHEMA)]
    shard: Count
    rows: Count
    samples: Count
    missing: dict[str, Count]
    objects: tuple[_ObjectRecord, ...]
    replaced: tuple[_ReplacedRecord, ...]
    pairing: PairingRecord

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.samples + sum(self.missing.values()) != self.rows:
            raise ValueError(f"{self.samples} samples and {sum(self.missing.values())} missing in {self.rows} rows")
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
        samples=record.samples,
        missing=record.missing,
        objects=tuple(
            StoredObject(path=item.path, size=item.size, crc32c=item.crc32c, md5=item.md5) for item in record.objects
        ),
        replaced=tuple((item.cell, item.reason) for item in record.replaced),
        pairing=record.pairing.counts(),
    )


def committed_shards(destination: LocalFolder) -> set[int]:
    """Shards that have a file of a commit record, whatever is in it."""
    return {shard for name in destination.names("commits") if (shard := shard_of(name)) is not None}


def read_commit(destination: LocalFolder, shard: int) -> Commit | None:
    """The record of a shard, None where there is none. Raises CorpusError: damaged."""
    path = commit_object(shard)
    content = destination.get(path)
    if content is None:
        return None
    commit = parse_commit(content, shard)
    if isinstance(commit, str):
        raise CorpusError(
            f"{destination.root / path}: {commit}. `deepsentinel verify --repair {destination.root}` withdraws the "
            "shard, and the next build makes it again."
        )
    return commit


def read_commits(destination: LocalFolder) -> Iterator[Commit]:
    """The records of all shards that are done, in order. Raises CorpusError: one is damaged."""
    for shard in sorted(committed_shards(destination)):
        if commit := read_commit(destination, shard):
            yield commit


def corpus_digest(destination: LocalFolder) -> str:
    """Digest of a corpus: SHA-256 over its commit records in order."""
    digest = hashlib.sha256()
    for shard in sorted(committed_shards(destination)):
        digest.update(destination.get(commit_object(shard)) or b"")
    return digest.hexdigest()


def write_shard(destination: LocalFolder, commit: Commit, contents: dict[str, bytes]) -> bool:
    """Put a shard's objects, read them back, and commit it; says whether this call was the one that did.

    A shard that somebody else has committed meanwhile is left as it is.
    Raises DestinationError; CorpusError: what was put came back different, or the other's record differs.
    """
    record, path = commit.to_bytes(), commit_object(commit.shard)
    if (other := destination.get(path)) is None:
        for item in commit.objects:
            destination.put(item.path, contents[item.path])
            if StoredObject.of(item.path, destination.get(item.path) or b"") != item:
                raise CorpusError(
                    f"{destination.root / item.path}: came back different from what was written. Check the disk."
                )
        if destination.create(path, record):
            return True
        other = destination.get(path)
    if other != record:
        raise CorpusError(
            f"{destination.root / path}: shard {commit.shard} was committed before with other content, so the "
            "platforms do not hold what they held then. Keep that shard, or withdraw it by removing the record."
        )
    return False

"""Commit records: a shard exists if its record does."""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import google_crc32c

from tasks.errors import CorpusError
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import SCHEMA, commit_object, shard_of, to_json
from tasks.shards.pairing_counts import PairingCounts


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
    samples: int
    """Rows with pixels."""
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
                "samples": self.samples,
                "objects": [asdict(item) for item in self.objects],
                "replaced": [{"cell": cell, "reason": reason} for cell, reason in self.replaced],
                "pairing": self.pairing.to_json(),
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes, path: str) -> "Commit":
        """Read a record. Raises CorpusError: it is not one."""
        try:
            record: dict[str, Any] = json.loads(content)
            return cls(
                shard=record["shard"],
                samples=record["samples"],
                objects=tuple(StoredObject(**item) for item in record["objects"]),
                replaced=tuple((item["cell"], item["reason"]) for item in record["replaced"]),
                pairing=PairingCounts.from_json(record["pairing"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(
                f"{path}: is damaged ({type(error).__name__}: {error}). `deepsentinel verify --repair` withdraws the "
                "shard, and the next build makes it again."
            ) from None


def committed_shards(destination: LocalFolder) -> set[int]:
    """Shards that have a commit record."""
    return {shard for name in destination.names("commits") if (shard := shard_of(name)) is not None}


def read_commit(destination: LocalFolder, shard: int) -> Commit | None:
    """The record of a shard, None where there is none. Raises CorpusError: damaged."""
    path = commit_object(shard)
    content = destination.get(path)
    if content is None:
        return None
    commit = Commit.from_bytes(content, f"{destination.root / path}")
    if commit.shard != shard:
        raise CorpusError(
            f"{destination.root / path}: is the record of shard {commit.shard}, not of {shard}. Remove it; the "
            "next build makes the shard again."
        )
    return commit


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

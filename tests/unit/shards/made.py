"""Descriptions, commits and whole small corpora, for tests of how they are kept."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.imagery.bands import BANDS
from tasks.scenes.reasons import Reason, Rejection
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.commits import Commit, RejectedCell, StoredObject
from tasks.shards.description import Description, LayerDescription, describe
from tasks.shards.destinations import Destination, LocalFolder
from tasks.shards.layout import quicklooks_object, samples_object, shard_object, statistics_object
from tasks.shards.pairing_counts import PairingCounts
from tasks.shards.writing import write_shard
from tasks.spec import CorpusSpec

VALUES: dict[str, Any] = {
    "name": "tiny", "seed": 1, "size": 500, "places": {"random": ["EU27", "GB"]},
    "window": ["2018-01-01", "2021-01-01"], "shard_size": 250, "destinations": ["out"],
    "platforms": [{"stac": {"catalog": "/data/a", "name": "zulu"}}, {"stac": {"catalog": "/data/b", "name": "alpha"}}],
}  # fmt: skip

L2A = tuple(band for band in BANDS if band != "B10")

LAYER = LayerDescription(
    arrays=(
        ArrayKind(
            path="labels/cover",
            dimensions=("y", "x"),
            shape=(16, 16),
            dtype="uint8",
            fill=0,
            codec="zstd",
            attributes={"legend": "years", "classes": {"1": "water"}},
        ),
        ArrayKind(
            path="labels/height",
            dimensions=("surface", "y", "x"),
            shape=(2, 16, 16),
            dtype="int16",
            fill=-32768,
            step=0.5,
            names={"surface": ("ground", "canopy")},
        ),
    ),
    facts={"source": {"file": "cover.tif", "md5": "x"}, "classes": ["water", "wood"]},
)
"""A layer of two arrays, of nobody's making."""


def described(
    *,
    digest: str = "digest",
    capacity: int = 100,
    zulu: tuple[str, ...] = BANDS,
    layers: dict[str, LayerDescription] | None = None,
    **changes: Any,
) -> Description:
    """The description of the spec above with other values; two shards unless its size is changed."""
    spec = CorpusSpec.model_validate(VALUES | changes)
    bands = {name: zulu if name == "zulu" else L2A for name in spec.platform_names}
    shards = (spec.size or 0) // spec.shard_size
    return describe(spec, places=digest, shards=shards, capacity=capacity, bands=bands, layers=layers)


def small(shards: int = 4, **changes: Any) -> Description:
    """A corpus of one platform and shards of five samples of 16 pixels a side."""
    platforms = VALUES["platforms"][:1]
    return described(**{"size": 5 * shards, "shard_size": 5, "patch": {"pixels": 16}, "platforms": platforms} | changes)


def vast() -> Description:
    """A corpus of a billion shards, as somebody may have written into its `corpus.json`."""
    made = small()
    return replace(made, shards=10**9, spec=made.spec | {"size": 5 * 10**9})


def rejected(cell: int, reason: Reason, platform: str | None = None, scene: str | None = None) -> RejectedCell:
    """A candidate without pixels."""
    return RejectedCell(cell=cell, why=Rejection(reason=reason, platform=platform, scene=scene))


def contents_of(description: Description, shard: int) -> dict[str, bytes]:
    """Objects of a shard by path: not pixels, but what nobody would take for those of another one."""
    paths = [shard_object(kind.path, shard, 1 + len(kind.shape)) for kind in description.arrays]
    others = samples_object(shard), statistics_object(shard), quicklooks_object(shard)
    return {path: f"{path} ".encode() * 20 for path in [*paths, *others]}


def commit_of(contents: dict[str, bytes], shard: int, **changes: Any) -> Commit:
    """The record of a shard of these objects, with five rows unless `changes` say otherwise."""
    made = Commit(
        shard=shard,
        rows=5,
        objects=tuple(StoredObject.of(path, content) for path, content in contents.items()),
        replaced=(rejected(9, Reason.NOT_COVERED),),
        missing=(),
        pairing=PairingCounts(tried=6, within=Counter({3: 5}), gaps=Counter({18: 5})),
    )
    return replace(made, **changes)


def write(destination: Destination, description: Description, *shards: int) -> None:
    """Commit shards of a corpus."""
    for shard in shards:
        contents = contents_of(description, shard)
        write_shard(destination, commit_of(contents, shard), contents)


def corpus(folder: Path, description: Description, *shards: int) -> LocalFolder:
    """A folder with a described corpus and some of its shards."""
    destination = LocalFolder(str(folder))
    for path, content in description.objects().items():
        destination.put(path, content)
    write(destination, description, *shards)
    return destination


def files(destination: LocalFolder, *below: str) -> dict[str, bytes]:
    """All objects of a folder by path, without `runs/`; or those below some folders."""
    root = Path(destination.location)
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    kept = {path: content for path, content in found.items() if not path.startswith("runs/")}
    return {path: content for path, content in kept.items() if not below or path.startswith(below)}

"""WHAT IS WANTED: the spec of a corpus, its YAML, its messages, its locations."""

from tasks.spec.loading import load_spec
from tasks.spec.memory import memory_of_shard
from tasks.spec.model import CorpusSpec
from tasks.spec.places import Places
from tasks.spec.platforms import PlatformItem, PlatformName, StacSource
from tasks.spec.splits import Splits

__all__ = [
    "CorpusSpec",
    "Places",
    "PlatformItem",
    "PlatformName",
    "Splits",
    "StacSource",
    "load_spec",
    "memory_of_shard",
]

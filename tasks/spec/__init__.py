"""WHAT IS WANTED: the spec of a corpus, its YAML, its messages, its locations."""

from tasks.spec.model import CorpusSpec, Places, PlatformItem, PlatformName, Splits, StacSource, load_spec

__all__ = ["CorpusSpec", "Places", "PlatformItem", "PlatformName", "Splits", "StacSource", "load_spec"]

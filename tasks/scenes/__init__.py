"""WHEN: scenes and the three-day rule."""

from tasks.places import window_of
from tasks.scenes.pairing import DAY, Outcome, Pairs, Rule, pair
from tasks.scenes.resolving import Resolver
from tasks.scenes.scenes import Candidates, ScenePair, Scenes, Sentinel1Scenes, Sentinel2Scenes
from tasks.spec import CorpusSpec

__all__ = [
    "DAY",
    "Candidates",
    "Outcome",
    "Pairs",
    "Resolver",
    "Rule",
    "ScenePair",
    "Scenes",
    "Sentinel1Scenes",
    "Sentinel2Scenes",
    "pair",
    "rule_of",
]


def rule_of(spec: CorpusSpec) -> Rule:
    """The spec's pairing rule."""
    pairing = spec.pairing
    return Rule(
        window=window_of(spec),
        max_gap=round(pairing.max_gap_days * DAY),
        search=round(pairing.search_days * DAY),
        max_cloud_cover=pairing.max_cloud_cover,
    )

"""WHEN: scenes and the three-day rule."""

from tasks.scenes.index import SceneIndex
from tasks.scenes.pairing import Outcome, Pairs, pair
from tasks.scenes.resolving import Resolver
from tasks.scenes.rule import DAY, REPORTED_GAPS, Rule, lifetime_notes, rule_of
from tasks.scenes.scenes import Candidates, ScenePair, Scenes, Sentinel1Scenes, Sentinel2Scenes

__all__ = [
    "DAY",
    "REPORTED_GAPS",
    "Candidates",
    "Outcome",
    "Pairs",
    "Resolver",
    "Rule",
    "SceneIndex",
    "ScenePair",
    "Scenes",
    "Sentinel1Scenes",
    "Sentinel2Scenes",
    "lifetime_notes",
    "pair",
    "rule_of",
]

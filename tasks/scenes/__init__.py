"""WHEN: scenes and the three-day rule."""

from tasks.scenes.pairing import DAY, Outcome, Pairs, Rule, pair
from tasks.scenes.resolving import Resolver
from tasks.scenes.scenes import Candidates, ScenePair, Scenes, Sentinel1Scenes, Sentinel2Scenes

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
]

"""WHEN: scenes and the three-day rule."""

from tasks.scenes.pairing import DAY, Outcome, Pairs, Rule, pair
from tasks.scenes.scenes import Candidates, Scenes, Sentinel1Scenes, Sentinel2Scenes

__all__ = ["DAY", "Candidates", "Outcome", "Pairs", "Rule", "Scenes", "Sentinel1Scenes", "Sentinel2Scenes", "pair"]

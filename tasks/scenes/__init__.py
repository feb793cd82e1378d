"""WHEN: scenes, their roles, and the rule that pairs them."""

from tasks.scenes.index import SceneIndex
from tasks.scenes.pairing import Outcome, Pairs, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.roles import DAY, REPORTED_GAPS, Role, Rule, lifetime_notes, roles_of, rule_of, sensor_of
from tasks.scenes.scenes import (
    Acquisition,
    Acquisitions,
    Candidates,
    Nearby,
    Scenes,
    Sentinel1Scenes,
    Sentinel2Scenes,
)

__all__ = [
    "DAY",
    "REPORTED_GAPS",
    "Acquisition",
    "Acquisitions",
    "Candidates",
    "Nearby",
    "Outcome",
    "Pairs",
    "Reason",
    "Rejection",
    "Resolver",
    "Role",
    "Rule",
    "SceneIndex",
    "Scenes",
    "Sentinel1Scenes",
    "Sentinel2Scenes",
    "lifetime_notes",
    "pair",
    "roles_of",
    "rule_of",
    "sensor_of",
]

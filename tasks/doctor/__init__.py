"""The doctor: whether all that a spec names can be used, before a long run finds out."""

from tasks.doctor.examination import DEADLINE, Checks, examine
from tasks.doctor.findings import Finding

__all__ = ["DEADLINE", "Checks", "Finding", "examine"]

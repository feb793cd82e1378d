"""What a run meets on this machine: the limits in force, and the memory that they lead to."""

import os
from contextlib import suppress
from pathlib import Path

from tasks.doctor.findings import Finding
from tasks.errors import SettingsError
from tasks.imagery.registry import room_of
from tasks.settings import Settings, load
from tasks.spec import CorpusSpec
from tasks.spec.memory import memory_of_shard


def examine_limits(spec: CorpusSpec, settings: Settings) -> list[Finding]:
    """The limits in force, by platform, and the memory that they lead to."""
    findings: list[Finding] = []
    for item in spec.platform_items:
        room = room_of(item.kind)
        with suppress(SettingsError):  # said of the platform
            told = room.limits(load(room.settings))
            findings.append(Finding(what=f"limits of {item.name}", ok=True, found=told))
    shards = settings.shards_in_flight
    needed, there = shards * memory_of_shard(spec), _memory()
    told = f"{shards} shards in flight, about {needed / 1e9:.1f} GB" + (f" of {there / 1e9:.1f} GB" if there else "")
    if there is not None and needed > there:
        remedy = "Lower DEEPSENTINEL_SHARDS_IN_FLIGHT or the spec's shard_size, or use a larger machine."
        return [*findings, Finding(what="memory", ok=False, found=told, remedy=remedy)]
    return [*findings, Finding(what="memory", ok=True, found=told)]


def _memory() -> int | None:
    """Bytes of memory that this process may use; None where the system does not tell."""
    limits: list[int] = []
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    # A container's own bound (Linux kernel documentation, Control Group v2); "max" where there is none.
    with suppress(ValueError, OSError):
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(limits, default=None)

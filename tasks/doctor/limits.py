"""What a run meets on this machine: the limits in force, and the memory that they lead to."""

import os
from contextlib import suppress
from pathlib import Path

from tasks.doctor.findings import Finding
from tasks.settings import Settings
from tasks.spec import CorpusSpec

_BYTES_A_PIXEL = 45
"""Of memory, for each pixel, platform and shard in flight: 34 of data, and a third on top, as measured (0.7 GB a shard
of 250 samples of 250 px from one platform, see the setting `shards_in_flight`)."""


def examine_limits(spec: CorpusSpec, settings: Settings) -> list[Finding]:
    """The limits in force, by platform, and the memory that they lead to."""
    findings: list[Finding] = []
    for item, name in zip(spec.platforms, spec.platform_names, strict=True):
        if item == "earthengine":
            told = (
                f"{settings.earthengine_requests} requests in flight; without an answer for "
                f"{settings.earthengine_deadline:g} s one is given up, and tried again for "
                f"{settings.earthengine_patience:g} s"
            )
        elif item == "descarteslabs":
            told = (
                f"{settings.descarteslabs_requests} requests in flight; a failing one is tried again for "
                f"{settings.descarteslabs_deadline:g} s"
            )
        else:
            told = f"{settings.stac_reads} samples read at once"
        findings.append(Finding(what=f"limits of {name}", ok=True, found=told))
    shards = settings.shards_in_flight
    shard = spec.shard_size * spec.patch.pixels**2 * len(spec.platforms) * _BYTES_A_PIXEL
    needed, there = shards * shard, _memory()
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

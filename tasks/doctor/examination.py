"""The examination of a whole spec: all checks, each within its deadline."""

import contextvars
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import TimeoutError as OutOfTime
from multiprocessing.pool import AsyncResult, ThreadPool

from tasks.doctor.contents import Places, examine_places, examine_window
from tasks.doctor.destinations import bytes_stored, examine_destination
from tasks.doctor.findings import Finding, public
from tasks.doctor.labels import examine_label
from tasks.doctor.limits import examine_limits
from tasks.doctor.platforms import examine_platform
from tasks.settings import Settings
from tasks.spec import CorpusSpec

DEADLINE = 60.0
"""Seconds that a check may take."""

Checks = dict[str, Callable[[], Sequence[Finding]]]
"""Checks by what they look at."""


def examine(
    spec: CorpusSpec, settings: Settings, *, deadline: float = DEADLINE, also: Checks | None = None
) -> list[Finding]:
    """Examine all that a spec names, and never stop at what is wrong.

    Each check may take `deadline` seconds; those of platforms, labels and destinations and those in `also` run at the
    same time. Nothing stays behind at the destinations.
    """
    opened: list[Places] = []
    findings = [*run_within(deadline, {"places": lambda: examine_places(spec, settings, opened)})]
    places = opened[0] if opened else None
    stored = bytes_stored(spec, places, settings) if places else None
    checks: Checks = {}
    for item in spec.platform_items:
        what = f"platform {item.name}"
        checks[what] = partial(examine_platform, what, item, spec, places, deadline)
    for item in spec.label_items:
        checks[f"label {item.name}"] = partial(examine_label, item, spec, places, deadline)
    for location in dict.fromkeys(spec.destinations):
        what = f"destination {location}"
        checks[what] = partial(examine_destination, what, location, spec, places, stored)
    checks |= also or {}
    findings += [*examine_window(spec), *run_within(deadline, checks), *examine_limits(spec, settings)]
    return [public(one) for one in findings]


def run_within(deadline: float, checks: Checks) -> list[Finding]:
    """What checks find, run side by side for `deadline` seconds together, in their order.

    A check that is not done by then is left running and told as a finding. Raises what a check raises.
    """
    # Threads of this pool do not hold up the end of the process, as those of concurrent.futures do: one that waits for
    # an answer that never comes is left behind. Prefect keeps its settings in the context.
    pool = ThreadPool(len(checks))
    until = time.monotonic() + deadline
    running: dict[str, AsyncResult[Sequence[Finding]]] = {
        what: pool.apply_async(contextvars.copy_context().run, (check,))  # pyright: ignore[reportArgumentType] loses T
        for what, check in checks.items()
    }
    pool.close()  # to new work
    findings: list[Finding] = []
    for what, result in running.items():
        try:
            findings += result.get(max(0.0, until - time.monotonic()))
        except OutOfTime:
            remedy = "Try again later; or give it longer with --deadline, if it is known to be slow."
            findings.append(Finding(what=what, ok=False, found=f"no answer within {deadline:g} s", remedy=remedy))
    return findings

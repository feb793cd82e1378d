"""What `deepsentinel status` shows."""

from tasks.errors import CorpusError, LabelsError
from tasks.scenes.roles import sensor_of
from tasks.settings import load_settings
from tasks.shards.description import Description
from tasks.shards.destinations import open_destination
from tasks.shards.pairing_counts import LIMITS, PairingCounts
from tasks.shards.stored_spec import stored_roles
from tasks.shards.survey import RECENT, Survey, survey
from tasks.spec.acquisitions import anchors_of

_SHOWN = 10
"""Failed shards listed before the rest is only counted."""


def show_status(corpus: str, *, every_failure: bool = False) -> None:
    """Print what a corpus holds. Raises CorpusError: no corpus, or shards are missing."""
    destination = open_destination(corpus)
    found = survey(destination)
    description, failed = found.description, found.failed
    recent = f" in the last {RECENT} shards" if len(found.done) > RECENT else ""
    shards = f"{len(found.done)} of {description.shards} done, {found.missing - len(failed)} missing"
    rows = [
        ("corpus", description.name),
        ("shards", f"{shards}, {len(failed)} failed"),
        ("samples", _samples(found)),
        ("size", f"{found.bytes / 1e6:,.1f} MB, {found.bytes / 1e6 / max(1, found.samples):.2f} MB a sample"),
        *([("dates", f"{description.dates}, from {description.times[0]}")] if description.dates > 1 else []),
        ("gap", _gaps(description, found.pairing)),
        ("rate", f"{found.samples_a_second:.2f} samples/s{recent}" if found.samples_a_second else "unknown"),
        ("digest", f"sha256:{found.digest}" if found.done else "none yet"),
    ]
    for platform, counts in found.traffic.items():
        told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if kind != "bytes")
        rows.append((platform, f"{told}, {counts.get('bytes', 0) / 1e6:,.1f} MB read{recent}"))
    if found.clipped:
        told = ", ".join(f"{count:,} pixels of {path}" for path, count in found.clipped.items())
        rows.append(("clipped", f"{told} were below or beyond what it holds{recent}"))
    for name, value in rows:
        print(f"{name:<{max(len(row[0]) for row in rows)}}  {value}")
    shown = len(failed) if every_failure else _SHOWN
    for shard, failure in list(failed.items())[:shown]:
        tried = f" (attempt {found.attempts[shard]})" if every_failure and found.attempts.get(shard) else ""
        print(f"shard {shard} failed{' for good' if failure.permanent else ''}: {failure.message}{tried}")
    if len(failed) > shown:
        print(f"... and {len(failed) - shown} more failed; --failed lists all, with their attempts")
    for shard, record in found.begun.items() if every_failure else ():
        began = f", since {record.started:%Y-%m-%d %H:%M} UTC" if record.started else ""
        print(f"shard {shard} was begun{began} on {record.host} (attempt {record.attempt}): in flight, or lost")
    if found.missing:
        permanent = sum(failure.permanent for failure in failed.values())
        unlabelled = sum(failure.kind == LabelsError.__name__ for failure in failed.values())
        remedies: list[str] = []
        if exhausted := permanent - unlabelled:
            remedies.append(f"{exhausted} of them have no candidates left, which only another spec changes")
        if unlabelled:
            remedies.append(f"{unlabelled} of them cannot be labelled until the source of their labels is corrected")
        most = load_settings().attempts
        if tried := sum(not why.permanent and found.attempts.get(shard, 0) >= most for shard, why in failed.items()):
            remedies.append(f"{tried} of them were tried {most} times: `build --retry-failed` tries them again")
        if found.missing > permanent + tried:
            remedies.append("build again to make the others" if permanent + tried else "build again to make them")
        raise CorpusError(f"{found.missing} of {description.shards} shards are not there; {'; '.join(remedies)}.")


def _samples(found: Survey) -> str:
    description = found.description
    if not description.listed:
        return f"{found.samples:,} of {description.size:,}, {found.replaced:,} candidates replaced"
    # How many places the shards that are not there have, only the list of them says.
    told = f"{found.samples:,} of {found.rows:,} places" + (" in the shards done" if found.missing else "")
    if lacking := found.without_pixels:
        reasons = ", ".join(f"{count:,} {reason.words}" for reason, count in lacking.items())
        told += f"; {sum(lacking.values()):,} without pixels: {reasons}"
    return told


def _gaps(description: Description, pairing: PairingCounts) -> str:
    pair = next(
        (
            (role, near)
            for role, near in anchors_of(stored_roles(description.spec, description.roles)).items()
            if near is not None and sensor_of(role) == "sentinel1"
        ),
        None,
    )
    if pair is None:
        return "there is no role of Sentinel-1 whose gap is counted"
    if not pairing.gaps.total() or not pairing.tried:
        return "no pairs yet"
    quantiles = " / ".join(f"{pairing.quantile(share)} h" for share in (0.5, 0.9, 1.0))
    rates = ", ".join(f"{days} d {100 * pairing.within[days] / pairing.tried:.1f} %" for days in LIMITS)
    roles = "" if pair == ("s1", "s2") and description.dates == 1 else f"{pair[0]} to {pair[1]} "
    return f"{roles}at most {quantiles} for 50 / 90 / 100 % of the pairs; candidates that would pair within {rates}"

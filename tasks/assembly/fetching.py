"""Fetching: the pixels of candidates, many at once, handed on in order."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from tasks.assembly.builder import Builder
from tasks.assembly.candidates import Candidate
from tasks.errors import SceneUnavailable
from tasks.imagery.bands import BANDS
from tasks.imagery.platform import Platform, Tiles, Traffic
from tasks.scenes.looks import by_date
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.scenes import Acquisitions
from tasks.spec import memory_of_shard

_WAITING = 1_000_000_000
"""Bytes of samples that are fetched ahead."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A candidate with its pixels, or with the reason why there are none."""

    candidate: Candidate
    tiles: dict[str, Tiles] = field(default_factory=dict)
    """By platform, of all dates that it has."""
    why: Rejection | None = None
    lacking: Mapping[int, Rejection] = field(default_factory=dict[int, Rejection])
    """Why it has no pixels at some of several dates."""
    said: str = ""
    """What the platform said of it: for the run record only."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One `fetch` that is under way."""

    platform: Platform
    acquisitions: Acquisitions
    answer: Future[Tiles]


def fetched(builder: Builder, batch: Sequence[Candidate], traffic: dict[str, Traffic], turn: int) -> Iterator[Fetched]:
    """Candidates in order with their pixels.

    At most twice as many samples are held as may be in flight, enough to keep every thread busy, and at most 1 GB.
    Raises PixelsError, PlatformUnreachable, CredentialsError, CatalogueError.
    """
    ahead = 2 * max(platform.in_flight for platform in builder.platforms)
    # What waits stands beside the arrays that it goes into, which may be gigabytes themselves.
    ahead = max(1, min(ahead, _WAITING // (memory_of_shard(builder.spec) // builder.spec.shard_size)))
    waiting: deque[tuple[Candidate, list[_Asked]]] = deque()
    remaining = iter(batch)
    try:
        while True:
            for candidate in remaining:
                waiting.append((candidate, _asked(builder, candidate, traffic, turn)))
                if len(waiting) >= ahead:
                    break
            if not waiting:
                return
            answer = _answer(*waiting[0], builder, traffic, turn)
            waiting.popleft()
            yield answer
    finally:
        # After an error nobody wants the rest; what runs already is waited for: no thread outlives its shard.
        _abandon(asked for _, all_asked in waiting for asked in all_asked)


def _asked(builder: Builder, candidate: Candidate, traffic: dict[str, Traffic], turn: int) -> list[_Asked]:
    return [
        _ask(builder, platform, candidate, looks, traffic, turn)
        for platform, acquisitions in zip(builder.platforms, candidate.acquisitions, strict=False)
        for looks in _portions(acquisitions, platform.dates_together)
    ]


def _ask(
    builder: Builder,
    platform: Platform,
    candidate: Candidate,
    acquisitions: Acquisitions,
    traffic: dict[str, Traffic],
    turn: int,
) -> _Asked:
    answer = builder.threads.submit(turn, platform.fetch, candidate.patch, acquisitions, traffic[platform.name])
    return _Asked(platform=platform, acquisitions=acquisitions, answer=answer)


def _portions(acquisitions: Acquisitions, dates: int) -> Iterator[Acquisitions]:
    """The acquisitions of at most so many dates at a time."""
    at_dates = list(by_date(acquisitions).values())
    # As even as they come: the slowest request counts.
    portions = -(-len(at_dates) // dates)
    for part in range(portions):
        some = at_dates[len(at_dates) * part // portions : len(at_dates) * (part + 1) // portions]
        yield {look: acquisitions[look] for looks in some for look in looks}


def _answer(
    candidate: Candidate, asked: list[_Asked], builder: Builder, traffic: dict[str, Traffic], turn: int
) -> Fetched:
    tiles: dict[str, list[Tiles]] = {}
    lacking, said = dict(candidate.lacking), ""
    left = deque(asked)
    try:
        while left:
            one = left.popleft()
            try:
                tiles.setdefault(one.platform.name, []).append(one.answer.result())
            except SceneUnavailable as error:
                why = Rejection(reason=Reason(error.reason), platform=one.platform.name, scene=error.scene)
                said = said or f"{one.platform.name}: {error}"
                if builder.spec.dates == 1 or builder.places.replaces:
                    return Fetched(candidate=candidate, why=why, said=said)
                of_dates = by_date(one.acquisitions)
                if len(of_dates) == 1:
                    lacking |= dict.fromkeys(of_dates, why)
                    continue
                # Which date was refused the answer does not tell: a listed place keeps the others.
                for looks in of_dates.values():
                    some = {look: one.acquisitions[look] for look in looks}
                    left.append(_ask(builder, one.platform, candidate, some, traffic, turn))
    finally:
        _abandon(left)
    whole = {name: _together(parts) for name, parts in tiles.items()}
    return Fetched(candidate=candidate, tiles=whole, why=candidate.why, lacking=lacking, said=said)


def _together(parts: list[Tiles]) -> Tiles:
    """The tiles of several dates as one."""
    if len(parts) == 1:
        return parts[0]
    absent = {band for part in parts for band in part.absent_bands}
    clipped: Counter[str] = Counter()
    for part in parts:
        clipped.update(part.clipped)
    return Tiles(
        arrays={path: values for part in parts for path, values in part.arrays.items()},
        absent_bands=tuple(band for band in BANDS if band in absent),
        clipped=clipped,
        incidence={look: degrees for part in parts for look, degrees in part.incidence.items()},
    )


def _abandon(asked: Iterable[_Asked]) -> None:
    """Cancel what has not begun, and wait for what has."""
    pending = [one.answer for one in asked]
    for answer in pending:
        answer.cancel()
    wait(pending)

"""Fetching: the pixels of candidates, many at once, handed on in order."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from tasks.assembly.builder import Builder
from tasks.assembly.candidates import Candidate
from tasks.errors import SceneUnavailable
from tasks.imagery.platform import Tiles, Traffic
from tasks.scenes.reasons import Reason, Rejection


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A candidate with its pixels, or with the reason why there are none."""

    candidate: Candidate
    tiles: dict[str, Tiles] = field(default_factory=dict)
    """By platform."""
    why: Rejection | None = None
    said: str = ""
    """What the platform said of it: for the run record only."""


def fetched(builder: Builder, batch: Sequence[Candidate], traffic: dict[str, Traffic], turn: int) -> Iterator[Fetched]:
    """Candidates in order with their pixels.

    At most twice as many samples are held as may be in flight: enough to keep every thread busy.
    Raises PixelsError, PlatformUnreachable, CredentialsError, CatalogueError.
    """
    ahead = 2 * max(platform.in_flight for platform in builder.platforms)
    waiting: deque[tuple[Candidate, dict[str, Future[Tiles]]]] = deque()
    remaining = iter(batch)
    try:
        while True:
            for candidate in remaining:
                waiting.append((candidate, _asked(builder, candidate, traffic, turn)))
                if len(waiting) >= ahead:
                    break
            if not waiting:
                return
            answer = _answer(*waiting[0])
            waiting.popleft()
            yield answer
    finally:
        # After an error nobody wants the rest; what runs already is waited for: no thread outlives its shard.
        _abandon(answer for _, answers in waiting for answer in answers.values())


def _asked(builder: Builder, candidate: Candidate, traffic: dict[str, Traffic], turn: int) -> dict[str, Future[Tiles]]:
    return {
        platform.name: builder.threads.submit(
            turn, platform.fetch, candidate.patch, acquisitions, traffic[platform.name]
        )
        for platform, acquisitions in zip(builder.platforms, candidate.acquisitions, strict=False)
    }


def _answer(candidate: Candidate, answers: dict[str, Future[Tiles]]) -> Fetched:
    tiles: dict[str, Tiles] = {}
    for platform, answer in answers.items():
        try:
            tiles[platform] = answer.result()
        except SceneUnavailable as error:
            _abandon(answers.values())
            why = Rejection(reason=Reason(error.reason), platform=platform, scene=error.scene)
            return Fetched(candidate=candidate, why=why, said=f"{platform}: {error}")
    return Fetched(candidate=candidate, tiles=tiles, why=candidate.why)


def _abandon(answers: Iterable[Future[Tiles]]) -> None:
    """Cancel what has not begun, and wait for what has."""
    pending = list(answers)
    for answer in pending:
        answer.cancel()
    wait(pending)

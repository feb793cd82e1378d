"""Which shards are dispatched next, and which are given up: decided from run records alone."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tasks.shards.runs import Failure, RunRecord

GIVEN_UP = "GivenUp"
"""Kind of the failure of a shard that was tried often enough."""

_BARREN = 3
"""Batches in a row that may end without having begun a shard: the worker cannot run them at all."""


@dataclass(kw_only=True)
class Backlog:
    """Shards of a corpus that wait to be dispatched."""

    waiting: deque[int]
    attempts: dict[int, int]
    """Attempts at each shard as its run record counted them when this build last looked."""
    batch: int
    """Shards a batch."""
    most: int
    """Attempts at a shard before it is given up."""
    given_up: dict[int, Failure] = field(default_factory=dict)
    """Shards that are not dispatched any more, and why."""
    alone: deque[int] = field(default_factory=deque)
    """Shards that were being built when a worker died: whichever kills it does so alone the next time."""
    barren: int = 0
    forgiven: dict[int, int] = field(default_factory=dict)
    """Attempts of earlier builds that do not count."""

    @classmethod
    def of(
        cls, missing: Iterable[int], records: Mapping[int, RunRecord], *, batch: int, most: int, again: bool = False
    ) -> "Backlog":
        """The backlog at the beginning of a build; `again`: attempts of earlier builds do not count."""
        self = cls(waiting=deque(), attempts={}, batch=batch, most=most)
        for shard in missing:
            record = records.get(shard)
            self.attempts[shard] = tried = attempts_of(record)
            if again:
                self.forgiven[shard] = tried
                tried = 0
            if record is not None and tried >= most:
                self.given_up[shard] = why_given_up(record, tried)
            elif record is not None and record.begun:
                self.alone.append(shard)
            else:
                self.waiting.append(shard)
        return self

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self.waiting or self.alone)

    def take(self) -> tuple[int, ...]:
        """The shards of the next batch."""
        if self.waiting:
            return tuple(self.waiting.popleft() for _ in range(min(self.batch, len(self.waiting))))
        return (self.alone.popleft(),)

    def adopt(self, shards: Iterable[int]) -> None:
        """Leave out shards that an earlier build has dispatched, and that are still on their way."""
        taken = set(shards)
        # The last attempt at one of them may be what is on its way.
        self.given_up = {shard: why for shard, why in self.given_up.items() if shard not in taken}
        self.waiting = deque(shard for shard in self.waiting if shard not in taken)
        self.alone = deque(shard for shard in self.alone if shard not in taken)

    def settle(self, missing: Iterable[int], records: Mapping[int, RunRecord], *, progressed: bool) -> None:
        """Put back what a batch that has ended left missing, or give it up.

        `records` are those of the missing shards, `progressed` says whether the batch built any, or was never seen to
        end by itself.
        """
        for shard in missing:
            record = records.get(shard)
            tried = attempts_of(record)
            progressed |= tried > self.attempts.get(shard, 0)
            self.attempts[shard] = tried
            tried -= self.forgiven.get(shard, 0)
            if record is not None and (tried >= self.most or (record.error and record.error.permanent)):
                self.given_up[shard] = why_given_up(record, tried)
            elif record is not None and record.begun:
                self.alone.append(shard)
            else:
                self.waiting.append(shard)
        self.barren = 0 if progressed else self.barren + 1

    @property
    def hopeless(self) -> bool:
        """Whether batch after batch ends without having begun a shard."""
        return self.barren >= _BARREN


def attempts_of(record: RunRecord | None) -> int:
    """Attempts that count against a shard."""
    return 0 if record is None or record.samples is not None else record.attempt


def why_given_up(record: RunRecord, tried: int) -> Failure:
    """Why a shard is not tried again."""
    if record.error is None:
        where = f" on {record.host}" if record.host else ""
        message = (
            f"lost with its process{where}: it may need more memory than there is (DEEPSENTINEL_SHARDS_IN_FLIGHT, "
            "shard_size)"
        )
    elif record.error.permanent:
        return record.error
    else:
        message = record.error.message
    return Failure(kind=GIVEN_UP, message=f"{message} (attempt {tried})")

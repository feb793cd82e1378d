"""How far a build is, and who wants to know."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tasks.build_shard import ShardReport


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A build between two shards."""

    corpus: str
    shards: int
    """Of the whole corpus."""
    done: int
    shard_size: int
    built: int = 0
    """By this run."""
    samples: int = 0
    """By this run."""
    bytes: int = 0
    """By this run."""
    elapsed: float = 0.0
    """Seconds since this run began to build."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of shards by stage, added up."""
    failures: dict[int, BaseException] = field(default_factory=dict)

    def with_shard(self, shard: ShardReport, elapsed: float) -> "Progress":
        """After a shard was built."""
        return replace(
            self,
            done=self.done + 1,
            built=self.built + 1,
            samples=self.samples + shard.samples,
            bytes=self.bytes + shard.bytes,
            elapsed=elapsed,
            seconds={stage: self.seconds.get(stage, 0.0) + spent for stage, spent in shard.seconds.items()},
        )

    def with_failure(self, shard: int, error: BaseException) -> "Progress":
        """After a shard failed."""
        return replace(self, failures={**self.failures, shard: error})

    def line(self) -> str:
        """In one line: done, rate, remaining time."""
        rate = self.samples / self.elapsed if self.elapsed else 0.0
        left = self.shards - self.done - len(self.failures)
        remaining = left * self.elapsed / self.built if self.built else 0.0
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return (
            f"{self.corpus}: {self.done} of {self.shards} shards{failed}, {rate:.1f} samples/s, "
            f"{self.bytes / 1e6:.1f} MB, {_duration(remaining)} left"
        )


Listener = Callable[[Progress], None]

_listeners: list[Listener] = []
"""A flow's parameters are stored and shown, so a listener cannot be one of them."""


@contextmanager
def listening(listener: Listener) -> Generator[None]:
    """Have `listener` called at every step of builds that run in this process."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def report(progress: Progress) -> None:
    """Tell those who listen."""
    for listener in _listeners:
        listener(progress)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    shown = [f"{value} {unit}" for value, unit in parts if value][:2]
    return " ".join(shown) or "0 s"

"""Shards that are built in one process, some at a time."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from flows import building
from flows.building import build_shards
from tasks.errors import DestinationUnreachable, SchedulerUnreachable

SPEC: Any = SimpleNamespace(destinations=("memory",))


class Pulse:
    """Of a server that answers as `answers` says, one look after the other."""

    silent = False

    def __init__(self) -> None:
        self.noted: list[Exception] = []

    def tell(self, **_: int) -> None:
        pass

    def missed(self, error: Exception) -> None:
        self.noted.append(error)
        self.silent = True

    def await_server(self, _: float) -> None:
        self.silent = False


def built(shards: Iterable[int], pulse: Any = None) -> list[tuple[int, Any]]:
    server: Any = pulse or Pulse()
    return list(build_shards(SPEC, list(shards), server, dispatched=True))


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "open_destination", lambda location: location)


def test_a_store_that_does_not_answer_whether_a_shard_is_there_fails_that_shard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = {1, 3}

    def is_committed(_: object, shard: int) -> bool:
        if shard in silent:
            raise DestinationUnreachable("memory: does not answer", "memory")
        return True

    monkeypatch.setattr(building, "is_committed", is_committed)
    assert [(shard, type(ended).__name__) for shard, ended in built(range(5))] == [
        (0, "NoneType"), (1, "DestinationUnreachable"), (2, "NoneType"), (3, "DestinationUnreachable"), (4, "NoneType"),
    ]  # fmt: skip

    monkeypatch.setenv("DEEPSENTINEL_STORES_MISSED", "2")
    with pytest.raises(DestinationUnreachable):
        built(range(5))


class Future:
    """A shard that has ended at once, in the way that is given."""

    def __init__(self, ended: Any) -> None:
        self._ended = ended
        completed = not isinstance(ended, BaseException)
        self.state = SimpleNamespace(is_completed=lambda: completed, message="")

    def wait(self) -> None:
        pass

    def result(self, **_: object) -> Any:
        return self._ended


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Calls of the task, which met no server the first time."""
    calls: list[tuple[Any, ...]] = []

    def submit(*arguments: Any) -> Future:
        calls.append(arguments[1:])
        return Future(SchedulerUnreachable("no place within the limit") if len(calls) == 1 else "report")

    monkeypatch.setattr(building, "is_committed", lambda *_: False)
    monkeypatch.setattr(building, "as_completed", iter)
    monkeypatch.setattr(building, "build_shard", SimpleNamespace(submit=submit))
    return calls


def test_a_shard_that_gets_no_place_because_the_server_is_gone_waits_for_it(submitted: list[tuple[Any, ...]]) -> None:
    pulse = Pulse()
    assert sorted(built(range(3), pulse)) == [(0, "report"), (1, "report"), (2, "report")]
    assert len(pulse.noted) == 1
    assert [call[0] for call in submitted].count(0) == 2


@pytest.mark.parametrize("deployment", [None, UUID(int=7)])
def test_a_run_of_a_deployment_holds_the_limits_of_the_platforms(
    submitted: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, deployment: UUID | None
) -> None:
    context = SimpleNamespace(flow_run=SimpleNamespace(deployment_id=deployment))
    monkeypatch.setattr(building, "FlowRunContext", SimpleNamespace(get=lambda: context))
    pulse: Any = Pulse()
    list(build_shards(SPEC, [0], pulse))
    assert submitted[-1] == (0, False, deployment is not None)

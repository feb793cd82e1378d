"""Following a training that a worker does: all of its log is shown, and the worker needs no file of the config."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from flows.command import train


class Scheduler:
    """Of a run that ends at once; its last lines come to the log after its end."""

    def __init__(self, lines: int, late: int) -> None:
        self.run = FlowRun(flow_id=uuid4(), state_type=StateType.COMPLETED)
        self.lines = lines
        self.late = late

    def read(self, _: UUID) -> FlowRun:
        return self.run

    def call(self, ask: Any) -> Any:
        def read_logs(_: object, *, limit: int, offset: int) -> list[SimpleNamespace]:
            return [SimpleNamespace(message=f"line {n}") for n in range(offset, min(self.lines, offset + limit))]

        return ask(SimpleNamespace(read_logs=read_logs))

    def sleep(self, _: float) -> None:
        self.lines += self.late


def test_a_long_log_is_shown_to_its_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    scheduler: Any = Scheduler(lines=1000, late=3)
    monkeypatch.setattr("flows.command.train.time.sleep", scheduler.sleep)
    train.follow(scheduler, uuid4(), "pool", 10, 60)
    assert capsys.readouterr().out.splitlines() == [f"line {n}" for n in range(1003)]

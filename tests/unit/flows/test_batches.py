"""Batches as the server tells of them."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from flows.batches import Batch, Scheduler, give_up, tags_of
from tasks.errors import SchedulerUnreachable
from tests.unit.builders import spec_over

REQUEST = httpx.Request("POST", "http://server/api")


class Client:
    """Knows one run."""

    def __init__(self, known: FlowRun) -> None:
        self.known = known

    def read_flow_runs(self, **_: object) -> list[FlowRun]:
        return [self.known]

    def set_flow_run_state(self, *_: object, **__: object) -> None:
        raise ObjectNotFound(httpx.HTTPError("404"))


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    known = FlowRun(id=uuid4(), flow_id=uuid4(), name="known", state_type=StateType.RUNNING)
    scheduler = Scheduler(give_up)

    def call(ask: Any) -> Any:
        return ask(Client(known))

    monkeypatch.setattr(scheduler, "call", call)
    return scheduler


def test_a_batch_that_the_server_does_not_know_any_more_has_ended(scheduler: Scheduler) -> None:
    known, deleted = (Batch(run=run, shards=frozenset()) for run in (scheduler.call(_first), _scheduled()))
    scheduler.look([known, deleted])
    assert (known.ended, deleted.ended) == (False, True)
    scheduler.bury(deleted.run.id, "dead")
    scheduler.cancel(deleted.run.id, "not wanted")


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_login_that_is_refused_in_between_is_waited_for_as_a_server_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    refusals = [httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(status, request=REQUEST))]
    waited = list[Exception]()

    def ask(_: object) -> str:
        if refusals:
            raise refusals.pop()
        return "answer"

    monkeypatch.setattr("flows.batches.get_client", lambda **_: nullcontext())
    assert Scheduler(waited.append).call(ask) == "answer"
    assert len(waited) == 1
    with pytest.raises(SchedulerUnreachable, match="does not answer" if status == 503 else "refuses the login"):
        give_up(waited[0])


def _first(client: Any) -> FlowRun:
    return client.read_flow_runs()[0]


def _scheduled() -> FlowRun:
    return FlowRun(id=uuid4(), flow_id=uuid4(), name="deleted", state_type=StateType.SCHEDULED)


def test_two_spellings_of_a_destination_are_one_corpus(tmp_path: Path) -> None:
    spelt = [spec_over(tmp_path, destinations=[f"gs://bucket/prefix{end}"]) for end in ("", "/")]
    assert tags_of(spelt[0]) == tags_of(spelt[1]) == ["tiny", "gs://bucket/prefix"]

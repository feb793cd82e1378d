"""The flow `train-model` but for Prefect: what it trains from, and what it records of how that ended."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal

from flows import train_model
from tasks.training.config import TrainingConfig
from tests.unit.training.made import Made, made

CONFIG = {"command": ["python", "-c", "print('one batch')"]}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(train_model, "get_run_logger", lambda: logging.getLogger("train"))
    monkeypatch.setattr(train_model, "read_blocks_with", lambda _: None)
    monkeypatch.chdir(tmp_path)
    return made(tmp_path / "corpus", shards=2, built=1)


def train(corpus: Made) -> State[None]:
    return train_model.train_model.fn(str(corpus.folder), TrainingConfig.model_validate(CONFIG))


def recorded(corpus: Made) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((corpus.folder / "training").glob("*/*.json"))]


def test_a_corpus_that_has_grown_since_is_trained_from_as_it_is_released(
    corpus: Made, caplog: pytest.LogCaptureFixture
) -> None:
    released = corpus.digest
    corpus.add(1)
    assert corpus.digest != released

    assert train(corpus).name == "Completed"
    assert "has grown or was changed since it was released; this trains from what is released" in caplog.text
    assert recorded(corpus)[0]["corpus"] == released
    assert train(corpus).name == "Skipped"


@pytest.mark.parametrize(
    ("error", "state", "lines"),
    [
        (RuntimeError("no more threads"), "failed", ["RuntimeError: no more threads"]),
        (TerminationSignal(15), "cancelled", []),
        (KeyboardInterrupt(), "cancelled", []),
    ],
)
def test_what_nobody_expected_is_a_failure_and_what_ends_a_run_is_not(
    corpus: Made, monkeypatch: pytest.MonkeyPatch, error: BaseException, state: str, lines: list[str]
) -> None:
    def run_job(*_: object) -> None:
        raise error

    monkeypatch.setattr(train_model, "run_job", run_job)
    with pytest.raises(type(error)):
        train(corpus)
    assert [(item["state"], item["lines"]) for item in recorded(corpus)] == [(state, lines)]

"""The first example of a job: its loss falls, a seed gives the same numbers, and it goes on where it ended."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.made import Made, made

OPTIONS = ["--batch", "4", "--width", "8", "--learning-rate", "0.01"]


@pytest.fixture(scope="module", autouse=True)
def _with_torch() -> None:
    """Imported by who runs these tests, not by each process that collects them: it takes seconds."""
    global torch, job, autoencoder
    import torch

    from tasks.training import autoencoder, job


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("made") / "corpus")


@pytest.fixture
def train(corpus: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trains in a folder of that name; the exit code and the losses."""

    def run(folder: str, *options: str) -> tuple[int, list[float]]:
        monkeypatch.setenv("DEEPSENTINEL_CORPUS", str(corpus.folder))
        monkeypatch.setenv("DEEPSENTINEL_DIGEST", corpus.digest)
        monkeypatch.setenv("DEEPSENTINEL_OUTPUT", str(tmp_path / folder))
        code = job.main([*OPTIONS, *options])
        metrics = tmp_path / folder / "metrics.json"
        return code, json.loads(metrics.read_text())["losses"] if metrics.exists() else []

    return run


def test_the_loss_falls(train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, losses = train("a", "--epochs", "12")

    assert code == 0
    assert losses[-1] < 0.97 * losses[0]
    told = capsys.readouterr().out
    assert "9 samples of" in told
    assert "samples/s fed" in told


def test_a_training_that_was_ended_goes_on_to_the_same_numbers(train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _, whole = train("whole", "--epochs", "4")
    assert train("parts", "--epochs", "2") == (0, whole[:2])
    assert train("parts", "--epochs", "4", "--minutes", "0") == (0, whole[:2]), "ended within the epoch"
    assert "0 minutes are over" in capsys.readouterr().out
    assert train("parts", "--epochs", "4") == (0, whole)
    assert "goes on after epoch 2, batch 1" in capsys.readouterr().out
    assert train("other", "--epochs", "1", "--seed", "2")[1] != whole[:1]


def test_a_checkpoint_of_another_training_is_refused(train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    train("a", "--epochs", "1")
    assert train("a", "--epochs", "2", "--width", "12")[0] == 1
    assert "is of another training, which differs in width" in capsys.readouterr().err


def test_wrong_usage_is_told(train: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for options, told in [(["--batch", "0"], "--batch 0: expected 1 or more"), (["--width", "6"], "a multiple of 4")]:
        with pytest.raises(SystemExit) as ended:
            train("a", *options)
        assert ended.value.code == 2
        assert told in capsys.readouterr().err
    monkeypatch.delenv("DEEPSENTINEL_CORPUS", raising=False)
    assert job.main([]) == 2
    assert "DEEPSENTINEL_CORPUS is not set" in capsys.readouterr().err


def test_only_what_is_hidden_and_valid_counts() -> None:
    image = torch.tensor([[[[1.0, math.nan], [3.0, 4.0]]]])
    hidden = torch.tensor([[[[True, True], [True, False]]]])
    made_up = torch.tensor([[[[2.0, 9.0], [6.0, 100.0]]]])

    assert autoencoder.masked_loss(made_up, image, hidden) == (1 + 9) / 2
    assert autoencoder.masked_loss(made_up, image, torch.zeros_like(hidden)) == 0


def test_what_is_hidden_are_squares_and_the_network_does_not_see_them() -> None:
    hidden = autoencoder.hide(2, 250, 250, 0.5, torch.Generator().manual_seed(1))
    assert hidden.shape == (2, 1, 250, 250)
    assert 0.4 < hidden.float().mean() < 0.6
    assert (hidden[..., :16, :16] == hidden[..., :1, :1]).all()

    model = autoencoder.Autoencoder(3, 4)
    image = torch.rand(1, 3, 20, 20)
    squares = autoencoder.hide(1, 20, 20, 0.5, torch.Generator().manual_seed(3))
    assert torch.equal(model(image, squares), model(torch.where(squares, torch.rand(1, 3, 20, 20), image), squares))
    assert model(image, squares).shape == image.shape

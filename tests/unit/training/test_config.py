"""Training configs: strict, in words that help, and without secrets."""

from pathlib import Path

import pytest

from tasks.errors import SpecError
from tasks.training.config import TrainingConfig, load_config

EXAMPLE = Path(__file__).parents[3] / "deployments" / "training" / "autoencoder.yaml"


def config(tmp_path: Path, text: str) -> TrainingConfig:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(path)


def test_the_example_can_be_read() -> None:
    assert load_config(EXAMPLE).command == ["python", "-m", "tasks.training.job"]


def test_a_command_may_be_one_text(tmp_path: Path) -> None:
    assert config(tmp_path, "command: python train.py --name 'a b'").command == ["python", "train.py", "--name", "a b"]


@pytest.mark.parametrize("text", ["command: x", "command: x\narguments: []"])
def test_a_config_is_the_same_after_it_was_handed_over(tmp_path: Path, text: str) -> None:
    held = config(tmp_path, text)
    assert TrainingConfig.model_validate(held.model_dump(mode="json")) == held


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gpus: 1", "config.yaml: command: names no program. Give one, e.g. command: "),
        ("command: []", "line 1: command: names no program"),
        ("command: ''", "line 1: command: names no program"),
        ("command: x\ngpus: 100", "line 2: gpus: expected 64 or less, found 100"),
        ("command: x\ngrace: 60", "line 2: grace: expected 25 or less, found 60"),
        ("command: x\nenviroment: {}", "line 2: enviroment: unknown key; did you mean 'environment'"),
        ("command: x\nenvironment: {A: 4}", "environment.A: expected text .* found 4"),
        ("command: x\nenvironment: {A: {secert: b}}", "environment.A.secert: unknown key; did you mean 'secret'"),
        ("command: x\nenvironment: {A: {}}", "environment.A: expected either `variable` or `secret`"),
        ("command: x\nenvironment: {a-b: c}", "'a-b' is no name of a variable"),
        ("command: x\nenvironment: {DEEPSENTINEL_CORPUS: c}", "DEEPSENTINEL_CORPUS is set for every job"),
    ],
)
def test_what_is_wrong_is_told_with_line_bound_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        config(tmp_path, text)


def test_a_secret_in_a_config_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="WANDB_API_KEY sounds like a secret") as refused:
        config(tmp_path, "command: x\nenvironment: {WANDB_API_KEY: hunter2}")
    assert "hunter2" not in str(refused.value)
    assert config(tmp_path, "command: x\nenvironment: {WANDB_API_KEY: {secret: wandb}}").environment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("command: x\narguments: [--api-key, hunter2]", "arguments: --api-key sounds like a secret"),
        ("command: x --hf_token=hunter2", "command: --hf_token sounds like a secret"),
        ("command: [bash, -c, x --password hunter2]", "command: --password sounds like a secret"),
        ("command: x\narguments: [--url, 'postgres://u:hunter2@h/db']", "arguments: a URL has a login in it"),
        ("command: x\nenvironment: {DATABASE: 'postgres://u:hunter2@h'}", "DATABASE is a URL with a login in it"),
    ],
)
def test_nor_is_one_taken_in_an_option_or_in_a_url(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError, match=rf"{told}.*secret: ") as refused:
        config(tmp_path, text)
    assert "hunter2" not in str(refused.value)


def test_what_only_sounds_like_one_is_taken(tmp_path: Path) -> None:
    for words in (
        "--max-tokens 512",
        "--tokenizer bert",
        "--url https://host:80/a@b",
        "--key-from-env --x",
        "--token $T",
    ):
        assert config(tmp_path, f"command: x {words}")


def test_the_key_is_of_what_a_config_says_not_of_how_it_is_written(tmp_path: Path) -> None:
    first = config(tmp_path, "command: [python, train.py]\ngpus: 1")
    same = config(tmp_path, "# written anew\ngpus: 1\nimage: null\ncommand: python train.py")
    other = config(tmp_path, "command: [python, train.py]\ngpus: 2")

    assert first.key("a" * 64) == same.key("a" * 64)
    assert len({first.key("a" * 64), first.key("b" * 64), other.key("a" * 64)}) == 3

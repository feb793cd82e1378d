"""Running a job: what it is handed, what of its output is told, and that nothing of it outlives who started it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import SettingsError
from tasks.training import running
from tasks.training.config import TrainingConfig
from tasks.training.running import Ended, environment_of, gpus_here, run_job


def job(tmp_path: Path, program: str, tell: Callable[[str], None] = lambda _: None, **keys: Any) -> Ended:
    """Run a Python program."""
    config = TrainingConfig.model_validate({"command": ["python", "-c", program], "grace": 1} | keys)
    environment = environment_of(
        config, corpus="gs://b/c", digest="d1", output=tmp_path / "out", read_secret=lambda name: f"secret-{name}"
    )
    return run_job(config, environment, tmp_path / "out", tell)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def await_(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_is_handed_the_corpus_and_the_configs_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_WORKER", "w")
    monkeypatch.setenv("PREFECT_API_KEY", "k")
    names = ["DEEPSENTINEL_CORPUS", "DEEPSENTINEL_DIGEST", "PLAIN", "OF_THE_WORKER", "PREFECT_API_KEY"]
    lines: list[str] = []
    ended = job(
        tmp_path,
        f"import os, sys; print([os.environ.get(n) for n in {names}], sys.argv[1:], os.environ['COPY'] == 'w')",
        lines.append,
        arguments=["--epochs", "3"],
        environment={"PLAIN": "p", "COPY": {"variable": "OF_THE_WORKER"}},
    )

    assert ended.code == 0
    assert lines == ["['gs://b/c', 'd1', 'p', 'w', None] ['--epochs', '3'] True"]
    assert (tmp_path / "out").is_dir()


def test_secrets_never_appear_in_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_AZURE_SAS_TOKEN", "sig=abcdef")
    monkeypatch.setenv("LOGIN", "letmein")
    lines: list[str] = []
    ended = job(
        tmp_path,
        "import os; print(os.environ['W'], os.environ['V'], os.environ['DEEPSENTINEL_AZURE_SAS_TOKEN']); exit(3)",
        lines.append,
        environment={"W": {"secret": "wandb"}, "V": {"variable": "LOGIN"}},
    )
    assert lines == ["*** *** ***"]
    assert ended == Ended(code=3, lines=("*** *** ***",), late=False)


def test_a_variable_that_is_not_set_and_a_program_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"environment\.A: \{variable: NOWHERE\} is not set where"):
        job(tmp_path, "", environment={"A": {"variable": "NOWHERE"}})
    with pytest.raises(SettingsError, match="there is no program 'no-such-program'"):
        job(tmp_path, "", command=["no-such-program"])


def test_the_last_lines_are_kept_and_of_a_progress_bar_its_last_state(tmp_path: Path) -> None:
    ended = job(tmp_path, r"print('1 %\r50 %\r100 %'); [print(n) for n in range(30)]; print('x' * 5000)")

    assert ended.lines[:2] == ("11", "12")
    assert len(ended.lines) == running.TAIL
    assert ended.lines[-1] == "x" * 2000 + " ..."
    assert job(tmp_path, r"print('1 %\r50 %\r100 %')").lines == ("100 %",)


def test_a_job_is_ended_when_its_hours_are_over(tmp_path: Path) -> None:
    ended = job(tmp_path, "import time; time.sleep(60)", hours=0.3 / 3600)

    assert ended.late
    assert ended.code == 128 + signal.SIGTERM


def test_whatever_ends_the_call_ends_the_job_and_its_children_gently_then_hard(tmp_path: Path) -> None:
    """The job hears SIGTERM and writes it down; its child does not heed it."""
    program = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"],
    stdout=subprocess.PIPE)
child.stdout.readline()
def end(*_):
    print("ending", flush=True)
    time.sleep(60)
signal.signal(signal.SIGTERM, end)
print(child.pid, flush=True)
time.sleep(60)
"""
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        job(tmp_path, program, tell)
    assert 0.9 < time.monotonic() - began < 20, "the grace was given"
    assert not alive(int(lines[0]))


def test_a_job_ends_with_who_started_it_even_if_that_is_killed(tmp_path: Path) -> None:
    starter = f"""
import sys
from pathlib import Path
from tasks.training.config import TrainingConfig
from tasks.training.running import environment_of, run_job
program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
config = TrainingConfig(command=["python", "-c", program], grace=1)
environment = environment_of(config, corpus="c", digest="d", output=Path({str(tmp_path)!r}), read_secret=str)
run_job(config, environment, Path({str(tmp_path)!r}), lambda line: print(line, flush=True))
"""
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        assert alive(number)
        process.kill()
        await_(lambda: not alive(number))


def test_accelerators_are_counted_as_a_job_would_see_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert gpus_here() == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert gpus_here() == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus_here() == 0

"""The image: what it copies is there, what it starts exists, and what it runs is an ordinary user's."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from infra.image.healthy import address, is_healthy
from tests.unit.infra.files import INFRA, ROOT, dockerfile, stages

FOLDER = INFRA / "image"
STAGES = stages()
COPIES = [
    rest.split()[:-1] for instruction, rest in dockerfile() if instruction == "COPY" and not rest.startswith("--from")
]


def test_everything_that_is_copied_is_there_and_left_in_by_dockerignore() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*", "nothing goes in but what is named"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    for source in (source for copy in COPIES for source in copy):
        assert (ROOT / source).exists(), source
        assert source in let_in, f".dockerignore leaves {source} out"
    assert {"!infra", "infra/*", "!infra/image"} <= set(lines), "of infra/, which holds secrets, only the image's own"


def test_what_is_installed_is_what_the_lock_file_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    syncs = [rest for instruction, rest in dockerfile() if instruction == "RUN" and "uv sync" in rest]
    assert syncs and all({"--frozen", "--no-dev"} <= set(rest.split()) for rest in syncs)
    extras = [set(re.findall(r"--extra (\S+)", rest)) for rest in syncs]
    assert extras[0] == extras[1], "the layer of dependencies is that of the image"
    assert extras[2] - extras[1] == {"train"}
    assert set.union(*extras) <= set(project["optional-dependencies"])
    # Whoever builds with another one would get other environments.
    assert re.search(r"uv==\$\{UV\}", " ".join(rest for _, rest in STAGES["build"]))


def test_byte_code_is_compiled_when_it_is_built_and_never_after() -> None:
    assert "UV_COMPILE_BYTECODE=1" in dict(STAGES["build"])["ENV"]
    assert "PYTHONDONTWRITEBYTECODE=1" in dict(STAGES["runtime"])["ENV"]


def test_it_is_built_in_stages_and_the_last_one_is_the_workers() -> None:
    assert list(STAGES)[-1] == "worker"
    for name, built in {"worker": "build", "train": "build-train"}.items():
        assert STAGES[name] == [
            ("FROM", f"runtime AS {name}"),
            ("COPY", f"--from={built} /opt/venv /opt/venv"),
        ], "compilers, caches and package managers stay behind"


def test_it_runs_as_a_user_by_number_who_may_not_change_the_code() -> None:
    runtime = STAGES["runtime"]
    users = [rest for instruction, rest in runtime if instruction == "USER"]
    assert users == ["10001:10001"]
    assert not any(instruction == "USER" for name in ("train", "worker") for instruction, _ in STAGES[name])
    (changed,) = [rest for instruction, rest in runtime if instruction == "RUN" and "chown" in rest]
    assert changed.split("chown 10001:10001 ")[1].split() == [
        "corpora",
        "demo",
        "training",
        "/scratch",
        "/var/lib/prefect",
    ]
    assert not any("--chown" in rest for _, rest in runtime)


def test_what_it_starts_exists() -> None:
    runtime = dict(STAGES["runtime"])
    scripts = {entry.name for entry in distribution("deepsentinel").entry_points}
    scripts |= {entry.name for entry in distribution("prefect").entry_points}
    assert {"deepsentinel", "prefect"} <= scripts
    for text in (runtime["ENTRYPOINT"], runtime["HEALTHCHECK"], (FOLDER / "register.sh").read_text()):
        for path in re.findall(r"/opt/deepsentinel/(infra/\S+?)[\"\s]", text):
            assert (ROOT / path).exists(), path
    assert all(os.access(path, os.X_OK) for path in FOLDER.glob("*.sh")), "executable, as an entry point has to be"


@pytest.mark.parametrize("path", sorted(INFRA.rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_can_be_read_by_a_plain_shell(path: Path) -> None:
    subprocess.run(["sh", "-n", str(path)], check=True)


def test_files_that_are_named_like_variables_become_these(tmp_path: Path) -> None:
    secrets, logins = tmp_path / "secrets", tmp_path / "logins"
    secrets.mkdir()
    logins.mkdir()
    (secrets / "PREFECT_API_AUTH_STRING").write_text("somebody:a secret $(echo of 'many') \"signs\"\n")
    (logins / "earthengine.json").write_text("{}")
    (logins / "LOWER_and_upper").write_text("x")
    (logins / "A_FOLDER").mkdir()
    script = (FOLDER / "enter.sh").read_text()
    script = script.replace("/run/secrets", str(secrets)).replace("/run/logins", str(logins))
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    found = subprocess.run(
        ["sh", "-c", script, "enter.sh", sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(found.stdout)
    assert told["PREFECT_API_AUTH_STRING"] == "somebody:a secret $(echo of 'many') \"signs\""
    assert not {"A_FOLDER", "LOWER_and_upper", "earthengine.json", "file", "name", "value"} & set(told)
    assert "a secret" not in found.stderr


def test_without_secrets_it_just_starts(tmp_path: Path) -> None:
    script = (FOLDER / "enter.sh").read_text().replace("/run/", f"{tmp_path}/none/")
    assert subprocess.run(["sh", "-c", script, "enter.sh", "sh", "-c", "exit 7"], check=False).returncode == 7


@pytest.mark.parametrize(
    ("command", "url"),
    [
        (["prefect", "server", "start"], "http://127.0.0.1:4200/api/health"),
        (["/sbin/docker-init", "--", "/x/enter.sh", "prefect", "server", "start"], "http://127.0.0.1:4200/api/health"),
        (["prefect", "worker", "start", "--pool", "local", "--with-healthcheck"], "http://127.0.0.1:8080/health"),
        (["deepsentinel", "build", "lakes.yaml"], None),
    ],
)
def test_health_is_asked_of_what_the_container_runs(command: list[str], url: str | None) -> None:
    assert address(command, {}) == url


def test_health_follows_the_ports_that_are_set() -> None:
    assert address(["prefect", "server"], {"PREFECT_SERVER_API_PORT": "4300"}) == "http://127.0.0.1:4300/api/health"
    told = address(["--with-healthcheck"], {"PREFECT_WORKER_WEBSERVER_PORT": "81"})
    assert told == "http://127.0.0.1:81/health"


def test_what_does_not_answer_is_not_healthy() -> None:
    assert not is_healthy("http://127.0.0.1:9/health")


def test_nothing_that_shows_in_a_list_of_processes_is_a_login() -> None:
    texts = [(FOLDER / name).read_text() for name in ("Dockerfile", "healthy.py", "register.sh")]
    assert not any(re.search(r"AUTH_STRING|PASSWORD|Authorization", text) for text in texts)


@pytest.mark.skipif(
    shutil.which("hadolint", path=str(Path(sys.executable).parent)) is None, reason="no hadolint for this system"
)
def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    subprocess.run([hadolint, FOLDER / "Dockerfile"], check=True)

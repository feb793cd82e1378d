"""The emulators of both stores, started as processes of their own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

AZURITE = "3.35.0"
"""Version of the npm package `azurite`."""

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's account, the same everywhere: https://learn.microsoft.com/azure/storage/common/storage-use-azurite"""

BUCKET = "corpora"
"""Bucket and container that there are from the start."""


def connection_string(url: str) -> str:
    """That of the emulator's account at an address."""
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url}/{ACCOUNT};"


@contextmanager
def gcs_emulator() -> Iterator[tuple[str, int]]:
    """gcp-storage-emulator with the bucket `BUCKET`: its address."""
    if find_spec("gcp_storage_emulator") is None:
        _lacking("gcp-storage-emulator is not installed")
    port = _free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", str(port)]
    with _running([*command, "--default-bucket", BUCKET, "--in-memory", "--quiet"], port):
        yield "127.0.0.1", port


@contextmanager
def azurite() -> Iterator[tuple[str, int]]:
    """azurite with the container `BUCKET`: its address. Installs it in a cache folder if need be."""
    from azure.storage.blob import BlobServiceClient

    port = _free_port()
    options = ["--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry", "--silent", "--loose"]
    with _running([str(_azurite_program()), *options, "--blobPort", str(port)], port):
        with BlobServiceClient.from_connection_string(connection_string(f"http://127.0.0.1:{port}")) as client:
            client.create_container(BUCKET)
        yield "127.0.0.1", port


def _azurite_program() -> Path:
    folder = Path.home() / ".cache" / "deepsentinel-tests" / f"azurite-{AZURITE}"
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        _lacking("azurite needs node and npm")
    # In a folder of its own that is renamed when it is whole: tests run side by side.
    partial = folder.with_name(f"{folder.name}-{os.getpid()}")
    asked = [str(npm), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(partial)]
    partial.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([*asked, f"azurite@{AZURITE}"], capture_output=True, text=True, timeout=540)
    if done.returncode:
        shutil.rmtree(partial, ignore_errors=True)
        _lacking(f"azurite cannot be installed: {done.stderr[-500:]}")
    try:
        partial.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(partial, ignore_errors=True)
    return program


def _lacking(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI needs the emulators: {why}")
    pytest.skip(why)


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended: {process.communicate()[1][-2000:]}")
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{command[0]} does not answer on port {port}")
        yield
    finally:
        process.terminate()
        process.wait(20)
        if process.stderr:
            process.stderr.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

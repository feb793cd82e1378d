"""Windows of remote files: what a server's answers mean."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from tasks.errors import PixelsError
from tasks.imagery.stac.refusals import NoAnswer, ServerFailed
from tasks.places.patches import Patch
from tests.servers.stac_api import serving
from tests.unit.imagery.stac.opening import read_onto

PATCH = Patch(epsg=32632, xmin=500_000, ymax=5_200_000, pixels=32)


class Files(ThreadingHTTPServer):
    """Serves one file by ranges, after as many failures as it is told."""

    content = b""
    failures: list[int]


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if self.server.failures:
            self.send_response(self.server.failures.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, status = self.server.content, 200
        if given := self.headers.get("Range"):
            first, _, last = given.removeprefix("bytes=").partition("-")
            content, status = content[int(first) : int(last or len(content)) + 1], 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header(
                "Content-Range", f"bytes {first}-{int(first) + len(content) - 1}/{len(self.server.content)}"
            )
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    values = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) + 1
    profile = {"driver": "GTiff", "width": 32, "height": 32, "count": 1, "dtype": "uint16", "crs": "EPSG:32632"}
    with rasterio.open(tmp_path / "a.tif", "w", transform=Affine(10, 0, 500_000, 0, -10, 5_200_000), **profile) as file:
        file.write(values, 1)
    server = Files(("127.0.0.1", 0), _Handler)
    server.content, server.failures = (tmp_path / "a.tif").read_bytes(), []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def read(files: Files, query: str = "") -> Any:
    return read_onto(f"http://127.0.0.1:{files.server_port}/a.tif{query}", PATCH, fill=0, dtype=np.uint16)


def test_a_remote_file_is_read(files: Files) -> None:
    assert read(files)[0, :3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, FileNotFoundError),
        (410, FileNotFoundError),
        (401, PermissionError),
        (403, PermissionError),
        (429, ServerFailed),
        (500, ServerFailed),
        (503, ServerFailed),
    ],
)
def test_each_refusal_is_told_apart_and_no_signature_is_shown(
    files: Files, status: int, expected: type[Exception]
) -> None:
    files.failures = [status] * 20
    with pytest.raises(expected) as refused:
        read(files, "?sig=SECRET")
    assert "SECRET" not in str(refused.value)
    assert getattr(refused.value, "status", status) == status


def test_a_failure_is_not_remembered(files: Files) -> None:
    files.failures = [503] * 8
    with pytest.raises(ServerFailed):
        read(files)
    files.failures = []
    assert read(files).any()


def test_a_server_that_is_gone_may_come_back(files: Files) -> None:
    port = files.server_port
    files.shutdown()
    files.server_close()
    with pytest.raises(NoAnswer):
        read_onto(f"http://127.0.0.1:{port}/a.tif", PATCH, fill=0, dtype=np.uint16)


def test_a_server_that_never_answers_is_given_up_after_the_deadline() -> None:
    began = time.monotonic()
    with serving(lambda _: time.sleep(5)) as url:
        with pytest.raises(NoAnswer):
            read_onto(f"{url}/a.tif", PATCH, fill=0, dtype=np.uint16, deadline=0.5)
        assert time.monotonic() - began < 4


def test_a_damaged_remote_file_is_told_without_its_signature(files: Files) -> None:
    files.content = b"no raster" * 100
    with pytest.raises(PixelsError) as refused:
        read(files, "?sig=SECRET")
    assert "SECRET" not in str(refused.value)

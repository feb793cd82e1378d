"""Files of servers: what is asked for, and what answers mean, from refusals and silence to half a tile."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from tasks.errors import CredentialsError, PixelsError, PlatformUnreachable, SceneUnavailable
from tasks.imagery.platform import Traffic
from tasks.imagery.stac import pixels
from tasks.imagery.stac.cogs import gdal, http
from tasks.imagery.stac.cogs.addresses import Signed, http_address
from tasks.imagery.stac.cogs.facts import File, Span
from tasks.imagery.stac.cogs.header import AHEAD
from tasks.imagery.stac.cogs.reader import Part, Reader
from tasks.imagery.stac.pixels import Wanted
from tasks.places.patches import Patch
from tests.archive import EPSG, LEFT, TOP, write_raster
from tests.servers.cogs import Cogs
from tests.servers.stac_api import send, serving
from tests.unit.imagery.stac.opening import read_onto

SIDE, BLOCK = 640, 128
PATCH = Patch(epsg=EPSG, xmin=LEFT + 1_000, ymax=TOP - 1_000, pixels=64)
"""Over four blocks."""

GRAIN = np.random.default_rng(1).integers(1, 10_000, (SIDE, SIDE)).astype(np.uint16)
EXPECTED = GRAIN[100:164, 100:164]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cogs")
    for name in ("a", "b", "c"):
        write_raster(folder / f"{name}.tif", GRAIN, blockxsize=BLOCK, blockysize=BLOCK)
    return folder


@pytest.fixture
def cogs(folder: Path) -> Cogs:
    return Cogs(folder)


def read(url: str, name: str = "a.tif", **options: Any) -> np.ndarray:
    return read_onto(f"{url}/{name}", PATCH, fill=0, dtype=np.uint16, **options)


def wanted(url: str, *names: str) -> list[Wanted]:
    return [Wanted(file=File(href=f"{url}/{name}", scene="scene"), fill=0, dtype=np.uint16) for name in names]


# What is asked for


def test_a_header_is_asked_for_once_and_neighbouring_blocks_together(cogs: Cogs) -> None:
    with serving(cogs) as url:
        reader, traffic = Reader(), Traffic()
        for _ in range(2):
            (found,) = pixels.read_onto(reader, PATCH, wanted(url, "a.tif"), traffic)
            assert np.array_equal(found, EXPECTED)
        reader.close()
    (_, start, length), *blocks = cogs.asked
    assert (start, length) == (0, AHEAD)
    # Two rows of two blocks, and between the rows three blocks that nobody wants.
    assert len(blocks) == 2
    assert traffic.counts() == {"requests": 3, "retries": 0, "throttles": 0, "bytes": cogs.sent}
    with rasterio.open(cogs.folder / "a.tif") as source:
        touched = sum(int(source.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1)) for x in (0, 1) for y in (0, 1))
    assert cogs.sent - AHEAD <= touched + 64


def test_the_files_of_a_sample_are_asked_for_at_the_same_time(cogs: Cogs) -> None:
    cogs.latency = 0.1
    with serving(cogs) as url:
        reader = Reader()
        began = time.monotonic()
        found = pixels.read_onto(reader, PATCH, wanted(url, "a.tif", "b.tif", "c.tif"), Traffic())
        assert time.monotonic() - began < 5 * cogs.latency, "two rounds: headers, blocks"
        reader.close()
    assert all(np.array_equal(one, EXPECTED) for one in found)
    assert cogs.most == 6


def test_a_server_gets_no_more_requests_at_once_than_it_is_allowed(cogs: Cogs) -> None:
    cogs.latency = 0.02
    with serving(cogs) as url:
        reader = Reader(requests=2)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(
                lambda name: pixels.read_onto(reader, PATCH, wanted(url, name), Traffic()), ("a.tif", "b.tif", "c.tif")
            ))  # fmt: skip
        reader.close()
    assert cogs.most == 2


def test_what_several_samples_want_at_the_same_time_is_fetched_once(cogs: Cogs) -> None:
    cogs.latency = 0.05
    with serving(cogs) as url:
        reader, traffic = Reader(), Traffic()
        with ThreadPoolExecutor(6) as threads:
            found = list(threads.map(
                lambda _: pixels.read_onto(reader, PATCH, wanted(url, "a.tif"), traffic)[0], range(6)
            ))  # fmt: skip
        reader.close()
    assert all(np.array_equal(one, EXPECTED) for one in found)
    assert traffic.requests == 3


@pytest.mark.parametrize("most", [0, 1_000_000])
def test_no_more_blocks_are_kept_than_may_be(cogs: Cogs, most: int) -> None:
    with serving(cogs) as url:
        reader = Reader(kept=most)
        (raster,) = reader.open([File(href=f"{url}/a.tif", scene="a")], Traffic())
        whole = Part(raster=raster, span=Span(top=0, left=0, bottom=SIDE, right=SIDE))
        first, again = Traffic(), Traffic()
        for traffic in (first, again):
            (found,) = reader.read([whole], traffic)
            assert np.array_equal(found, GRAIN)
        reader.close()
    assert (again.bytes == 0) == (most >= GRAIN.nbytes)
    assert again.bytes == (0 if most else first.bytes)


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("https://a.example/b/c%20d.tif?sig=x%2Fy", "https://a.example/b/c%20d.tif?sig=x%2Fy"),
        ("s3://bucket/some/key.tif", "https://bucket.s3.amazonaws.com/some/key.tif"),
        ("s3://dotted.bucket/key.tif", "https://s3.amazonaws.com/dotted.bucket/key.tif"),
        ("gs://bucket/key.tif", "https://storage.googleapis.com/bucket/key.tif"),
        ("az://account.blob.core.windows.net/box/key.tif", "https://account.blob.core.windows.net/box/key.tif"),
        ("abfs://box@account.dfs.core.windows.net/key.tif", "https://account.blob.core.windows.net/box/key.tif"),
    ],
)
def test_addresses_of_stores_are_those_of_their_servers(
    monkeypatch: pytest.MonkeyPatch, href: str, expected: str
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    assert http_address(href) == expected


def test_an_s3_of_ones_own_is_asked_where_it_is(cogs: Cogs, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(cogs) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        bucket, cogs.folder = cogs.folder.name, cogs.folder.parent
        found = read_onto(f"s3://{bucket}/a.tif", PATCH, fill=0, dtype=np.uint16)
    assert np.array_equal(found, EXPECTED)


def test_files_are_asked_for_through_the_proxy_that_the_environment_names(
    cogs: Cogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    logins: list[str | None] = []

    def proxy(handler: BaseHTTPRequestHandler) -> None:
        logins.append(handler.headers.get("Proxy-Authorization"))
        cogs(handler)

    with serving(proxy) as url:
        monkeypatch.setenv("HTTP_PROXY", url.replace("http://", "http://me:pass@"))
        assert np.array_equal(read("http://archive.example"), EXPECTED)
    assert set(logins) == {"Basic bWU6cGFzcw=="}


def test_an_address_that_no_server_is_known_for_is_refused_in_words() -> None:
    with pytest.raises(PixelsError, match=r"ftp://a/b\.tif: no known way to its server"):
        read_onto("ftp://a/b.tif?sig=SECRET", PATCH, fill=0, dtype=np.uint16)


def test_what_is_no_address_is_refused_in_words() -> None:
    with pytest.raises(PixelsError, match=r"http://a:b:c/a\.tif: is no address"):
        read("http://a:b:c")


# Refusals


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        (404, SceneUnavailable, "scene: the archive has no file a.tif"),
        (410, SceneUnavailable, "scene: the archive has no file a.tif"),
        (401, CredentialsError, "refuses to give a.tif of scene"),
        (403, CredentialsError, "refuses to give a.tif of scene"),
        (400, PixelsError, "a.tif: the server answers 400"),
        (429, PixelsError, "a.tif: still failing after 1 attempts"),
        (503, PixelsError, "a.tif: still failing after 1 attempts"),
    ],
)
def test_each_refusal_is_told_apart_and_no_signature_is_shown(
    cogs: Cogs, status: int, expected: type[Exception], words: str
) -> None:
    cogs.failures = [status] * 20
    with serving(cogs) as url, pytest.raises(expected, match=words) as refused:
        read(url, "a.tif?sig=SECRET")
    assert "SECRET" not in str(refused.value)


def test_a_web_page_in_place_of_a_file_and_redirects_without_end_are_told_as_such() -> None:
    page = b"<!doctype html><title>Sign in</title>"
    with (
        serving(lambda handler: send(handler, page, kind="text/html")) as url,
        pytest.raises(PixelsError, match=r"a\.tif: the server answers with a web page"),
    ):
        read(url, patience=60)
    with (
        serving(lambda handler: send(handler, b"", code=302, Location=handler.path)) as url,
        pytest.raises(PixelsError, match=r"a\.tif: leads from one address to another more than 5 times"),
    ):
        read(url, patience=60)


def test_of_several_files_that_are_gone_the_first_is_told(cogs: Cogs) -> None:
    with serving(cogs) as url:
        reader = Reader()
        for _ in range(5):
            with pytest.raises(SceneUnavailable, match=r"no file x1\.tif"):
                pixels.read_onto(reader, PATCH, wanted(url, "a.tif", "x1.tif", "b.tif", "x2.tif"), Traffic())
        (found,) = pixels.read_onto(reader, PATCH, wanted(url, "a.tif"), Traffic())
        reader.close()
    assert np.array_equal(found, EXPECTED)


def test_a_failure_is_tried_again_and_not_remembered(cogs: Cogs) -> None:
    cogs.failures = [503, 500, 429]
    traffic = Traffic()
    with serving(cogs) as url:
        assert np.array_equal(read(url, patience=20, traffic=traffic), EXPECTED)
    assert (traffic.retries, traffic.throttles) == (3, 1)


def test_a_signature_that_has_expired_is_told_as_such(cogs: Cogs) -> None:
    cogs.until = 5
    with serving(cogs) as url:
        assert np.array_equal(read(url, "a.tif?sig=6"), EXPECTED)
        with pytest.raises(CredentialsError, match=r"the signed address of a\.tif of scene has expired") as refused:
            read(url, "a.tif?sig=4")
    assert "sig" not in str(refused.value).replace("signed", "").replace("sign its", "")


def test_no_signature_is_logged(cogs: Cogs, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"), serving(cogs) as url:
        read(url, "a.tif?sig=SECRET")
    assert "SECRET" not in caplog.text


def test_nor_where_libraries_warn_of_moved_files_odd_headers_and_refusals(
    cogs: Cogs, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client of Descartes Labs silences it, for the whole process, when it is imported.
    monkeypatch.setattr(logging.getLogger("urllib3"), "propagate", True)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _, kind, path = handler.path.split("/", 2)
        if kind == "moved":
            send(handler, b"", code=302, Location=f"/here/{path}")
        elif kind == "odd":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 0\r\n\r\n")
        elif kind == "refused":
            send(handler, b"", code=403)
        else:
            handler.path = f"/{path}"
            cogs(handler)

    with caplog.at_level("DEBUG", "urllib3"), caplog.at_level("DEBUG"), serving(answer) as url:
        assert np.array_equal(read(url, "moved/a.tif?sig=SECRET"), EXPECTED)
        with pytest.raises(PixelsError):
            read(url, "odd/a.tif?sig=SECRET")
        with pytest.raises(PermissionError):
            gdal.facts(Signed(address=f"{url}/refused/a.tif?sig=SECRET"), 2.0)
    told = {record.name for record in caplog.records}
    assert {"urllib3.poolmanager", "urllib3.connection", "rasterio._env"} <= told
    assert "SECRET" not in caplog.text


def test_addresses_are_signed_just_before_they_are_read_and_again_once_they_are_refused(cogs: Cogs) -> None:
    cogs.until, current, renewed = 0, 1, 0

    def sign(href: str, *, renew: bool) -> Signed:
        nonlocal current, renewed
        if renew:
            current, renewed = int(cogs.until or 0) + 1, renewed + 1
        return Signed(address=f"{href}?sig={current}", headers={"X-Key": "k"})

    with serving(cogs) as url:
        reader = Reader(sign=sign)
        (raster,) = reader.open([File(href=f"{url}/a.tif", scene="a")], Traffic())
        cogs.until = 7
        (found,) = reader.read([Part(raster=raster, span=Span(top=0, left=0, bottom=9, right=9))], Traffic())
        assert np.array_equal(found, GRAIN[:9, :9])
        assert renewed == 1
        (again,) = reader.open([File(href=f"{url}/a.tif", scene="a")], Traffic())
        assert again == raster, "a header is known by the address before it is signed"
        reader.close()


def test_what_a_signer_cannot_renew_is_refused(cogs: Cogs) -> None:
    cogs.until = 5
    with serving(cogs) as url, pytest.raises(CredentialsError, match="has expired"):
        read(url, sign=lambda href, renew: Signed(address=f"{href}?sig=1"))  # pyright: ignore


# Silence


@contextmanager
def raw(answer: bytes, *, then: float = 0.0) -> Iterator[str]:
    """A server that sends the same bytes to everybody and hangs up after a while."""
    listening = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)
            time.sleep(then)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def test_a_server_that_is_gone_is_out_of_reach(cogs: Cogs) -> None:
    with serving(cogs) as url:
        pass
    with pytest.raises(PlatformUnreachable, match=r"scene: a\.tif: out of reach after \d+ attempts.*refused"):
        read(url, patience=0.2)


def test_a_server_that_hangs_up_is_asked_again(cogs: Cogs) -> None:
    with raw(b"") as url, pytest.raises(PlatformUnreachable):
        read(url, patience=0.2)


def test_a_server_that_never_answers_is_given_up_after_the_deadline(cogs: Cogs) -> None:
    began = time.monotonic()
    with raw(b"", then=5) as url, pytest.raises(PlatformUnreachable, match="out of reach"):
        read(url, deadline=0.2, patience=0)
    assert time.monotonic() - began < 3


def test_an_answer_that_trickles_is_given_up_after_the_deadline() -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{AHEAD - 1}/999999")
        handler.send_header("Content-Length", str(AHEAD))
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    began = time.monotonic()
    with serving(trickle) as url, pytest.raises(PlatformUnreachable, match=r"\d bytes in \d s"):
        read(url, deadline=0.3, patience=0)
    assert time.monotonic() - began < 3


def test_a_slow_line_is_not_given_up(cogs: Cogs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_SLOWEST", 256)

    def slowly(handler: BaseHTTPRequestHandler, content: bytes, start: int, size: int) -> bool:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{size}")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for at in range(0, len(content), 4096):
            handler.wfile.write(content[at : at + 4096])
            time.sleep(0.01)
        return True

    cogs.misbehave = slowly
    with serving(cogs) as url:
        assert np.array_equal(read(url, deadline=0.1), EXPECTED)


# Answers that are not what was asked for


def ignoring(handler: BaseHTTPRequestHandler, content: bytes, start: int, size: int) -> bool:
    """As if no range had been named."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(size))
    handler.end_headers()
    try:
        for _ in range(0, size, 2**16):
            handler.wfile.write(bytes(2**16))
            SENT.append(2**16)
    except OSError:
        pass
    handler.close_connection = True
    return True


SENT: list[int] = []


def test_a_proxy_that_ignores_ranges_is_told_at_once_and_not_listened_to(folder: Path, tmp_path: Path) -> None:
    large = np.random.default_rng(1).integers(0, 60_000, (4_000, 4_000)).astype(np.uint16)
    write_raster(tmp_path / "a.tif", large, compress=None, blockxsize=256, blockysize=256)
    SENT.clear()
    with (
        serving(Cogs(tmp_path, misbehave=ignoring)) as url,
        pytest.raises(PixelsError, match=r"a\.tif: .*a proxy before it, ignores the range.*\(33\.\d MB\).*NO_PROXY"),
    ):
        read(url, "a.tif?sig=SECRET", patience=60)
    assert sum(SENT) < 16e6, "what the sockets between hold"


def test_a_server_that_ignores_ranges_of_small_files_may(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", GRAIN[:64, :64], left=PATCH.xmin, top=PATCH.ymax)
    assert (tmp_path / "a.tif").stat().st_size < AHEAD

    def whole(handler: BaseHTTPRequestHandler, content: bytes, start: int, size: int) -> bool:
        if start == 0:
            send(handler, content)
        return start == 0

    with serving(Cogs(tmp_path, misbehave=whole)) as url:
        assert np.array_equal(read(url), GRAIN[:64, :64])


class Once:
    """Misbehaves in a way the first few times that blocks are asked for."""

    def __init__(self, way: Any, times: int = 1) -> None:
        self.way, self.left = way, times

    def __call__(self, handler: BaseHTTPRequestHandler, content: bytes, start: int, size: int) -> bool:
        if start == 0 or self.left <= 0:
            return False
        self.left -= 1
        self.way(handler, content, start, size)
        return True


def cut_short(handler: BaseHTTPRequestHandler, content: bytes, start: int, size: int) -> None:
    """Half a tile, though a whole one is announced."""
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{size}")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def half(handler: BaseHTTPRequestHandler, content: bytes, start: int, size: int) -> None:
    """Half a tile, and said to be all there is."""
    count = len(content) // 2
    send(handler, content[:count], code=206, Content_Range=f"bytes {start}-{start + count - 1}/{size}")


def altered(handler: BaseHTTPRequestHandler, content: bytes, start: int, size: int) -> None:
    """One bit of a block's checksum is another."""
    end = len(content) - 1
    content = content[:end] + bytes([content[end] ^ 1])
    send(handler, content, code=206, Content_Range=f"bytes {start}-{start + end}/{size}")


def another(handler: BaseHTTPRequestHandler, content: bytes, start: int, size: int) -> None:
    """A range that nobody asked for."""
    send(handler, content, code=206, Content_Range=f"bytes {start + 1}-{start + len(content)}/{size}")


@pytest.mark.parametrize("way", [cut_short, half, altered, another])
def test_damage_on_the_way_is_asked_for_again(cogs: Cogs, way: Any) -> None:
    cogs.misbehave, traffic = Once(way), Traffic()
    with serving(cogs) as url:
        assert np.array_equal(read(url, patience=20, traffic=traffic), EXPECTED)
    assert traffic.retries == 1


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (cut_short, r"a\.tif: still failing after \d+ attempts"),
        (half, r"a\.tif: its pixels cannot be read \(block \d+: the file ends \d+ bytes before it does\)"),
        (altered, r"a\.tif: its pixels cannot be read \(block \d+: .*BAD_DATA.*fetch it again"),
        (another, r"a\.tif: still failing after \d+ attempts.*another range"),
    ],
)
def test_damage_that_stays_is_told_in_words(cogs: Cogs, way: Any, words: str) -> None:
    cogs.misbehave = Once(way, times=1_000)
    with serving(cogs) as url, pytest.raises(PixelsError, match=words) as refused:
        read(url, "a.tif?sig=SECRET", patience=0.2)
    assert "SECRET" not in str(refused.value)


def test_an_answer_that_is_no_raster_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("<html>Sign in</html>" * 1_000)
    with (
        serving(Cogs(tmp_path)) as url,
        pytest.raises(PixelsError, match=r"a\.tif: its pixels cannot be read") as refused,
    ):
        read(url, "a.tif?sig=SECRET")
    assert "SECRET" not in str(refused.value)


# What GDAL reads


def test_jpeg_2000_is_read_from_servers_too(tmp_path: Path) -> None:
    values = GRAIN[:120, :120]
    with rasterio.open(
        tmp_path / "a.jp2", "w", driver="JP2OpenJPEG", count=1, height=120, width=120, dtype="uint16",
        crs=f"EPSG:{EPSG}", transform=rasterio.Affine(10, 0, PATCH.xmin, 0, -10, PATCH.ymax), QUALITY="100",
        REVERSIBLE="YES",
    ) as file:  # fmt: skip
        file.write(values, 1)
    cogs = Cogs(tmp_path, until=3)

    def sign(href: str, *, renew: bool) -> Signed:
        return Signed(address=f"{href}?sig={4 if renew else 1}")

    with serving(cogs) as url:
        found = read(url, "a.jp2", sign=sign)
        assert np.array_equal(found, values[:64, :64])
        with pytest.raises(SceneUnavailable):
            read(url, "none.jp2", sign=sign)


def test_a_window_of_a_local_file_and_of_a_server_are_the_same(cogs: Cogs) -> None:
    with serving(cogs) as url, rasterio.open(cogs.folder / "a.tif") as source:
        reader = Reader()
        rasters = reader.open(
            [File(href=href, scene="a") for href in (f"{url}/a.tif", str(cogs.folder / "a.tif"))], Traffic()
        )
        for top, left, bottom, right in ((0, 0, 1, 1), (127, 127, 129, 129), (3, 500, 640, 640)):
            span = Span(top=top, left=left, bottom=bottom, right=right)
            remote, local = reader.read([Part(raster=raster, span=span) for raster in rasters], Traffic())
            window = Window(left, top, right - left, bottom - top)  # pyright: ignore[reportCallIssue]
            assert np.array_equal(remote, local)
            assert np.array_equal(local, source.read(1, window=window))
        reader.close()

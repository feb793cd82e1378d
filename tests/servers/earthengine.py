"""Earth Engine over loopback: what the real client sends, answered from a synthetic world, with faults on demand.

Run it on its own, in a process of its own, with `python -m tests.servers.earthengine`; it prints its address.
"""

import argparse
import gzip
import io
import json
import re
import sys
import threading
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ee
import google.auth.jwt
import numpy as np

from tests.servers.assets import Rasters
from tests.servers.expressions import Feature, Interpreter, Invalid, pixels
from tests.servers.world import World

_SHIPPED = Path(ee.__file__).parent / "tests"
"""The client ships the documents that the service answers with at login."""


@dataclass(kw_only=True)
class Faults:
    """What goes wrong; probabilities are drawn anew for each attempt of each request, by a seed."""

    seed: int = 0
    latency: float = 0.0
    """Seconds before an answer."""
    unavailable: float = 0.0
    """503."""
    throttled: float = 0.0
    """429."""
    reset: float = 0.0
    """The connection is closed without an answer."""
    truncated: float = 0.0
    """Fewer bytes than Content-Length says."""
    short: float = 0.0
    """A well-framed body with its end missing."""
    garbage: float = 0.0
    """A well-framed body of something else."""
    at_most: int | None = None
    """Computations in flight; beyond it 429."""
    missing: set[str] = field(default_factory=set)
    """Assets that are gone."""
    refusal: tuple[int, str, dict[str, str]] | None = None
    """Status, message and metadata with which every request but the token's is refused."""
    login_refusal: str | None = None
    """Error with which the token server refuses."""
    too_many_places: int | None = None
    """Places from which on a catalogue request takes too long."""
    page: int = 1000
    """Rows a page at most."""
    most_rows: int | None = None
    """Rows of pixels from which on an image takes too much memory."""


class EarthEngineServer:
    """The service; `with` starts and stops it. Counts by kind: discovery, algorithms, token, table, image, asset,
    value."""

    def __init__(self, world: World, *, project: str = "proj-x", public_key: bytes | None = None) -> None:
        """With a `public_key` (PEM) logins are checked, and every request needs a valid token."""
        self.world, self.project, self.public_key = world, project, public_key
        self.faults = Faults()
        self.counts: Counter[str] = Counter()
        self.answered: Counter[int] = Counter()
        """Status codes sent, of computations."""
        self.grids: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.complaints: list[str] = []
        """What the client sent that the service would not expect."""
        self.in_flight = self.most_in_flight = 0
        self.peers: set[Any] = set()
        """Connections that were opened."""
        self.canned = False
        """Pixels are computed once and sent for every request: to measure the client, not this server."""
        self._attempts: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._pages: dict[str, list[Any]] = {}
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "EarthEngineServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def expire_tokens(self) -> None:
        """Every token given out so far is worth nothing from now on."""
        self.tokens.clear()

    def reset_counts(self) -> None:
        self.counts.clear()
        self.answered.clear()
        self.grids.clear()
        self.most_in_flight = 0

    def fault_of(self, body: bytes) -> str | None:
        """Which fault befalls this attempt of this request."""
        key = zlib.crc32(body)
        with self._lock:
            self._attempts[key] += 1
            attempt = self._attempts[key]
        chance = zlib.crc32(f"{self.faults.seed}:{key}:{attempt}".encode()) / 2**32
        for name in ("unavailable", "throttled", "reset", "truncated", "short", "garbage"):
            chance -= getattr(self.faults, name)
            if chance < 0:
                return name
        return None

    def enter(self) -> bool:
        """Count a computation in flight; False: there are too many."""
        with self._lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            return self.faults.at_most is None or self.in_flight <= self.faults.at_most

    def leave(self) -> None:
        with self._lock:
            self.in_flight -= 1

    def table(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer table:computeFeatures."""
        size = min(question.get("pageSize", 1000), self.faults.page)
        if token := question.get("pageToken"):
            rows = self._pages[token]
        else:
            features = _features(_Asked(self.world, frozenset(self.faults.missing), json.dumps(question["expression"])))
            if self.faults.too_many_places and len(features) >= self.faults.too_many_places:
                raise Invalid("Computation timed out.")
            if not all(isinstance(feature, Feature) for feature in features):
                raise Invalid("Expected a FeatureCollection")
            rows = [{"type": "Feature", "geometry": None, "properties": f.properties} for f in features]
        answer: dict[str, Any] = {"type": "FeatureCollection", "features": rows[:size]}
        if rows[size:]:
            token = f"page-{zlib.crc32(json.dumps(question).encode())}-{len(rows)}"
            self._pages[token] = rows[size:]
            answer["nextPageToken"] = token
        return answer

    def value(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer value:compute."""
        return {"result": Interpreter(self.world, set(self.faults.missing)).evaluate(question["expression"])}

    def asset(self, id: str) -> dict[str, Any] | None:
        """Answer assets.get; None: there is none."""
        image = self.world.assets.get(id) or next(
            (one for made in self.world.assets.values() if isinstance(made, Rasters) for one in made.images
             if one.id == id), None,
        )  # fmt: skip
        return None if image is None or id in self.faults.missing else image.told()

    def image(self, question: dict[str, Any]) -> bytes:
        """Answer image:computePixels."""
        if question.get("fileFormat") != "NPY":
            raise Invalid(f"fileFormat {question.get('fileFormat')}")
        if self.canned:
            names = sorted(set(_CHANNELS.findall(json.dumps(question["expression"]))))
            return _canned(json.dumps(question["grid"]["dimensions"]), tuple(names))
        self.grids.append(question["grid"])
        if self.faults.most_rows and question["grid"]["dimensions"]["height"] >= self.faults.most_rows:
            raise Invalid("User memory limit exceeded.")
        image = Interpreter(self.world, self.faults.missing).evaluate(question["expression"])
        stream = io.BytesIO()
        np.save(stream, pixels(image, question["grid"]))
        return stream.getvalue()


_CHANNELS = re.compile(r'"(s[12][a-z0-9_]*_(?:B[0-9A]+|VV|VH|angle|cloud))"')
"""Names of bands in an expression."""


@lru_cache(maxsize=8)
def _canned(size: str, names: tuple[str, ...]) -> bytes:
    types = {"VV": "<f4", "VH": "<f4", "cloud": "|u1"}
    fields = [(name, types.get(name.rpartition("_")[2], "<u2")) for name in names]
    array = np.ones((json.loads(size)["height"], json.loads(size)["width"]), fields)
    for name, kind in fields:
        # What is looked at for its unit.
        array[name] = {"<u2": 500, "<f4": -12}.get(kind, 1)
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    service: EarthEngineServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        service, path = self.service, urlsplit(self.path).path
        if path == "/$discovery/rest":
            service.counts["discovery"] += 1
            return self._send(200, _document("cloud_api_discovery_document.json"))
        if not self._admitted():
            return None
        if path == f"/v1/projects/{service.project}/algorithms":
            service.counts["algorithms"] += 1
            return self._send(200, _document("algorithms.json"))
        if path.startswith("/v1/projects/") and "/assets/" in path:
            service.counts["asset"] += 1
            id = path.removeprefix("/v1/").removeprefix("projects/earthengine-public/assets/")
            told = service.asset(id)
            if told is None:
                return self._refuse(404, f"Asset '{id}' not found or the caller has no access to it.")
            return self._send(200, json.dumps(told).encode())
        service.complaints.append(f"GET {self.path}")
        return self._refuse(404, "Not found")

    def do_POST(self) -> None:
        service = self.service
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        if path == "/token":
            return self._token(body)
        service.peers.add(self.client_address)
        answer = {
            f"/v1/projects/{service.project}/table:computeFeatures": ("table", service.table),
            f"/v1/projects/{service.project}/image:computePixels": ("image", service.image),
            f"/v1/projects/{service.project}/value:compute": ("value", service.value),
        }.get(path)
        if answer is None:
            service.complaints.append(f"POST {self.path}")
            return self._refuse(404, "Not found")
        kind, compute = answer
        service.counts[kind] += 1
        try:
            admitted = service.enter()
            if service.faults.latency:
                time.sleep(service.faults.latency)
            if not self._admitted():
                return None
            fault = service.fault_of(body)
            if not admitted or fault == "throttled":
                return self._refuse(429, "Too many concurrent aggregations.")
            if fault == "unavailable":
                return self._refuse(503, "The service is currently unavailable.")
            if fault == "reset":
                self.close_connection = True
                return None
            try:
                content = compute(json.loads(body))
            except Invalid as invalid:
                return self._refuse(400, str(invalid))
            except Exception as error:  # noqa: BLE001 a test reads it
                service.complaints.append(f"{type(error).__name__}: {error}")
                return self._refuse(400, f"the test server cannot read this: {error!r}")
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            return self._send(200, content, fault)
        finally:
            service.leave()

    def _admitted(self) -> bool:
        service, refusal = self.service, self.service.faults.refusal
        if refusal:
            self._refuse(refusal[0], refusal[1], refusal[2])
        elif service.public_key and self.headers.get("Authorization", "").removeprefix("Bearer ") not in service.tokens:
            self._refuse(401, "Request had invalid authentication credentials.")
        else:
            return True
        return False

    def _token(self, body: bytes) -> None:
        service = self.service
        service.counts["token"] += 1
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if service.faults.login_refusal:
            return self._send(400, json.dumps({"error": service.faults.login_refusal}).encode())
        if form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            claims = google.auth.jwt.decode(form["assertion"], certs=service.public_key)
            if "https://www.googleapis.com/auth/earthengine" not in claims["scope"]:
                service.complaints.append(f"scope {claims['scope']}")
        token = f"ya29.secret-{service.counts['token']}"
        service.tokens.add(token)
        return self._send(200, json.dumps({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}).encode())

    def _refuse(self, status: int, message: str, metadata: dict[str, str] | None = None) -> None:
        detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "metadata": metadata or {}}
        error = {"code": status, "message": message, "status": "REFUSED", "details": [detail]}
        self._send(status, json.dumps({"error": error}).encode())

    def _send(self, status: int, content: bytes, fault: str | None = None) -> None:
        self.service.answered[status] += 1
        if fault == "short":
            content = content[: len(content) * 2 // 3]
        if fault == "garbage":
            content = b"<html>" + content[100:5000][::-1]
        self.send_response(status)
        if not content.startswith(b"\x93NUMPY") and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault == "truncated":
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)


@dataclass(frozen=True)
class _Asked:
    """A question about a world, which is one by identity."""

    world: World = field(compare=False)
    missing: frozenset[str]
    expression: str
    identity: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", id(self.world))


@lru_cache(maxsize=16)
def _features(asked: _Asked) -> Any:
    """Tests ask the same of the same world, and 250 places take the interpreter seconds."""
    return Interpreter(asked.world, set(asked.missing)).evaluate(json.loads(asked.expression))


@lru_cache(maxsize=4)
def _document(name: str) -> bytes:
    # The copy that is shipped describes v1alpha; the client asks for v1, and the service answers with that.
    return (_SHIPPED / name).read_bytes().replace(b"v1alpha", b"v1")


def main() -> None:
    """Serve canned pixels until standard input ends; then print what was counted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.2)
    arguments = parser.parse_args()
    with EarthEngineServer(World(scenes=[]), project="bench") as server:
        server.canned = True
        server.faults.latency = arguments.latency
        print(server.url, flush=True)
        sys.stdin.read()
        spent = time.process_time()
        print(json.dumps({**server.counts, "most_in_flight": server.most_in_flight, "cpu": spent}), flush=True)


if __name__ == "__main__":
    main()

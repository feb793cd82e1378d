"""A small STAC API, and a file server with ranges, on loopback."""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import shapely
from shapely.geometry import box, shape

CONFORMANCE = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
]

FIELDS = "https://api.stacspec.org/v1.0.0/item-search#fields"
"""Of APIs that send only what is asked for of an item."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server on a free port of loopback for every method: its root, without a slash at the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            answer(self)

        do_GET = do_POST = do_HEAD = handle_one

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, content: bytes, *, code: int = 200, kind: str = "", **headers: str) -> None:
    """Answer a request; of HEAD the headers only."""
    handler.send_response(code)
    handler.send_header("Content-Type", kind or "application/octet-stream")
    handler.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content)


@dataclass
class Files:
    """Files of a folder over HTTP, with ranges."""

    folder: Path
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and range of each."""
    failures: list[int] = field(default_factory=list)
    """Status codes that the next requests get instead."""

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path, wanted = urlsplit(handler.path).path, handler.headers.get("Range")
        self.requests.append((handler.command, path, wanted))
        if self.failures:
            send(handler, b"", code=self.failures.pop(0))
            return
        file = self.folder / path.lstrip("/")
        if not file.is_file():
            send(handler, b"", code=404)
            return
        content = file.read_bytes()
        if wanted is None:
            send(handler, content, Accept_Ranges="bytes")
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = (int(first), min(int(last or len(content) - 1), len(content) - 1)) if first else (
            len(content) - int(last), len(content) - 1,
        )  # fmt: skip
        if start > end:
            send(handler, b"", code=416, Content_Range=f"bytes */{len(content)}")
            return
        send(handler, content[start : end + 1], code=206, Content_Range=f"bytes {start}-{end}/{len(content)}")


@dataclass(repr=False)
class StacApi:
    """Collections of items with item search: POST and GET, paged by `next`."""

    collections: dict[str, list[dict[str, Any]]]
    methods: tuple[str, ...] = ("POST", "GET")
    """By which it can be searched."""
    page: int = 3
    """Items a page, however many are asked for."""
    searches: list[dict[str, Any]] = field(default_factory=list)
    """The parameters of each search, as sent."""
    failures: dict[str, list[int]] = field(default_factory=dict)
    """By path, status codes that the next requests get instead."""
    largest: int | None = None
    """Bytes of an answer, beyond which the server fails without a word why."""
    most_a_page: int | None = None
    """Items that may be asked for at once; more is a wrong question."""
    conforms: list[str] = field(default_factory=lambda: [*CONFORMANCE, FIELDS])
    retry_after: str | None = None
    """What failures say of when to come back."""
    sent: int = 0
    """Items in answers."""
    url: str = ""
    _outlines: dict[int, Any] = field(default_factory=dict[int, Any])

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve; gives the landing page's URL."""
        with serving(self) as root:
            self.url = root
            yield f"{root}/"

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if self.failures.get(parts.path):
            wish = {"Retry_After": self.retry_after} if self.retry_after else {}
            self._json(handler, {"description": "out of order"}, code=self.failures[parts.path].pop(0), **wish)
        elif parts.path == "/":
            self._json(handler, self._landing())
        elif parts.path == "/collections":
            self._json(handler, {"collections": [self._collection(name) for name in self.collections], "links": []})
        elif parts.path.removeprefix("/collections/") in self.collections:
            self._json(handler, self._collection(parts.path.removeprefix("/collections/")))
        elif parts.path == "/search" and handler.command in self.methods:
            asked = json.loads(body) if handler.command == "POST" else _of_query(parts.query)
            self.searches.append(asked)
            if self.most_a_page is not None and int(asked.get("limit") or 0) > self.most_a_page:
                self._json(handler, {"description": f"limit is at most {self.most_a_page}"}, code=400)
                return
            found = self._search(asked, handler.command)
            if self.largest is not None and len(json.dumps(found)) > self.largest:
                self._json(handler, {"message": "Internal server error"}, code=502)
                return
            self.sent += len(found["features"])
            self._json(handler, found, kind="application/geo+json")
        else:
            self._json(handler, {"code": "NotFound", "description": parts.path}, code=404)

    def _json(
        self, handler: BaseHTTPRequestHandler, content: Any, *, code: int = 200, kind: str = "", **headers: str
    ) -> None:
        send(handler, json.dumps(content).encode(), code=code, kind=kind or "application/json", **headers)

    def _landing(self) -> dict[str, Any]:
        links = [
            {"rel": "self", "href": f"{self.url}/"},
            {"rel": "root", "href": f"{self.url}/"},
            {"rel": "data", "href": f"{self.url}/collections"},
        ]
        links += [
            {"rel": "search", "href": f"{self.url}/search", "method": method, "type": "application/geo+json"}
            for method in self.methods
        ]
        return {
            "type": "Catalog", "id": "small", "stac_version": "1.0.0", "description": "A small API.",
            "conformsTo": self.conforms, "links": links,
        }  # fmt: skip

    def _collection(self, name: str) -> dict[str, Any]:
        return {
            "type": "Collection", "id": name, "stac_version": "1.0.0", "description": name, "license": "other",
            "extent": {
                "spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]},
            },
            "links": [{"rel": "root", "href": f"{self.url}/"}],
        }  # fmt: skip

    def _search(self, asked: dict[str, Any], method: str) -> dict[str, Any]:
        found = [item for name in asked["collections"] for item in self.collections.get(name, ())]
        found = self._matching(found, asked)
        start = int(asked.get("token") or 0)
        count = min(self.page, int(asked.get("limit") or 10))
        links: list[dict[str, Any]] = []
        if start + count < len(found):
            following = {**asked, "token": str(start + count)}
            links = [{"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": following}]
            if method == "GET":
                written = {
                    key: json.dumps(v) if isinstance(v, dict) else ",".join(map(str, v)) if isinstance(v, list) else v
                    for key, v in following.items()
                    if key != "fields"
                }
                if "fields" in following:
                    written["fields"] = ",".join(following["fields"]["include"])
                links = [{"rel": "next", "href": f"{self.url}/search?{urlencode(written)}", "method": "GET"}]
        features = found[start : start + count]
        if "fields" in asked and FIELDS in self.conforms:
            features = [_selected(item, asked["fields"]["include"]) for item in features]
        return {"type": "FeatureCollection", "features": features, "links": links}

    def _matching(self, items: list[dict[str, Any]], asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The items within a time that meet an area: their outlines, as servers do, not their boxes."""
        if "ids" in asked:
            return [item for item in items if item["id"] in asked["ids"]]
        first, end = (dt.datetime.fromisoformat(text) for text in asked["datetime"].split("/"))
        area = shape(asked["intersects"]) if "intersects" in asked else box(*asked["bbox"])
        if not area.is_valid:
            return []  # as servers refuse it
        shapely.prepare(area)
        timely = [item for item in items if first <= dt.datetime.fromisoformat(item["properties"]["datetime"]) <= end]
        return [item for item in timely if area.intersects(self._outline(item))]

    def _outline(self, item: dict[str, Any]) -> Any:
        """Parsed once."""
        if id(item) not in self._outlines:
            self._outlines[id(item)] = shape(item["geometry"])
        return self._outlines[id(item)]


def _of_query(query: str) -> dict[str, Any]:
    asked: dict[str, Any] = {name: values[0] for name, values in parse_qs(query).items()}
    asked["collections"] = asked["collections"].split(",")
    if "bbox" in asked:
        asked["bbox"] = [float(value) for value in asked["bbox"].split(",")]
    if "intersects" in asked:
        asked["intersects"] = json.loads(asked["intersects"])
    if "ids" in asked:
        asked["ids"] = asked["ids"].split(",")
    if "fields" in asked:
        asked["fields"] = {"include": [name for name in asked["fields"].split(",") if not name.startswith("-")]}
    return asked


def _selected(item: dict[str, Any], include: list[str]) -> dict[str, Any]:
    """What was asked for of an item, and what servers add to it."""
    found: dict[str, Any] = {name: item[name] for name in include if name in item} | {"links": []}
    for name in include:
        part, _, key = name.partition(".")
        if key and key in item[part]:
            found.setdefault(part, {})[key] = item[part][key]
    return found

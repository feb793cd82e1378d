"""EarthOne over loopback: speaks what `earthdaily-earthone` 6.2.0 sends, and checks what it receives.

Login, catalogue search with pages, bands, and the raster service's chunked blosc bodies. Pixel values encode scene,
band and position on the ground, so a shift, a flip or a swapped band cannot go unnoticed. Faults come on demand and do
not depend on the order of requests: a fault is chosen by kind, content and attempt.
"""

import argparse
import base64
import json
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import blosc2
import numpy as np
import shapely
import shapely.affinity
from shapely.geometry import mapping, shape

SENTINEL2, SENTINEL1 = "sentinel-2:L1C", "sentinel-1:GRD"

TOP = "sentinel-2:TOA"
"""A second product of Sentinel-2, whose pixels are asked for as they are kept."""

S2_BANDS = (
    "coastal-aerosol", "blue", "green", "red", "red-edge", "red-edge-2", "red-edge-3", "nir", "red-edge-4",
    "water-vapor", "cirrus", "swir1", "swir2",
)  # fmt: skip
S1_BANDS = ("vv", "vh")

S1_DATA, S1_DECIBELS = (0.0, 4095.0), (-40.0, 11.1875)
"""One count is 0.0125 dB."""

CATALOG, RASTER = "/metadata/v1/catalog/v2", "/raster/v2"

Fault = str
"""429, 429-after, 500, 503, 400, 401, 403, 404, 418, truncated, short, longer, garbage, empty, reset."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An image of the catalogue."""

    id: str
    product: str
    acquired: str
    """ISO 8601, UTC."""
    footprint: Any
    """WGS 84 degrees."""
    epsg: int | None = None
    """The zone in which it may be asked for; None, any."""
    valid: tuple[int, int, int, int] | None = None
    """(xmin, ymin, xmax, ymax) outside which pixels are masked, in the CRS asked for."""
    attributes: dict[str, Any] = field(default_factory=dict)


def raw_values(scene: str, band: int, xmin: int, ymax: int, shape: tuple[int, int], *, most: int) -> np.ndarray:
    """Kept values of a band: (height, width), 1..most, by scene, band and each pixel's place in tens of metres."""
    columns = xmin // 10 + np.arange(shape[1], dtype=np.int64)
    rows = ymax // 10 - np.arange(shape[0], dtype=np.int64)
    seed = zlib.crc32(scene.encode()) % 9001 + 691 * band
    places = (31 * columns[None, :] + 577 * rows[:, None] + seed).astype(np.uint64)
    # Scrambled, so that neighbours differ at random and the values compress no better than real ones.
    return 1 + (places * np.uint64(2_654_435_761) % np.uint64(2**32) // np.uint64(1024) % np.uint64(most)).astype(int)


def decibels(raw: np.ndarray) -> np.ndarray:
    """Kept values of Sentinel-1 as the band's physical range has them."""
    (d0, d1), (p0, p1) = S1_DATA, S1_DECIBELS
    return (p0 + (raw - d0) * (p1 - p0) / (d1 - d0)).astype(np.float32)


@dataclass
class World:
    """What the server holds, how it behaves, and what it has seen."""

    scenes: list[Scene] = field(default_factory=list)
    client: tuple[str, str] = ("client-of-tests", "s3cr3t-of-tests")
    page: int = 1000
    latency: float = 0.0
    token_seconds: float = 3600.0
    chunked: bool = False
    """Whether bodies go out in HTTP chunks, as a service that streams sends them."""
    keep: bool = False
    """Whether pixels are made once for each request and then sent again, so that a benchmark measures the client."""
    connections: int = 0
    """Opened so far."""
    open_connections: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of bodies, by kind of request."""
    fault: Callable[[str, int, int], Fault | None] = lambda kind, content, attempt: None
    """By kind of request (token, search, bands, raster), its content as a number, and which attempt it is, from 0."""
    s2_ranges: tuple[tuple[float, float], tuple[float, float]] = ((0, 10000), (0.0, 1.0))
    requests: Counter[str] = field(default_factory=Counter)
    attempts: Counter[tuple[str, int]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    at_most: int | None = None
    """Requests in flight; beyond it 429."""
    refused: dict[str, int] = field(default_factory=dict)
    """Scenes that the catalogue has but that cannot be rendered: id, and the status with which they are refused."""
    most_in_flight: int = 0
    tokens: set[str] = field(default_factory=set)
    _in_flight: int = 0
    _kept: dict[int, bytes] = field(default_factory=dict)
    _pages: dict[str, list[Scene]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(self, seconds: float) -> str:
        """A token that ends after `seconds`."""
        claims = {"aud": self.client[0], "exp": time.time() + seconds, "sub": "tester", "n": len(self.tokens)}
        parts = ({"alg": "none"}, claims, {"not": "a signature"})
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        self.tokens.add(token)
        return token

    def forget(self) -> None:
        """Start counting anew."""
        self.requests.clear()
        self.attempts.clear()
        self.problems.clear()
        self.most_in_flight = 0


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves a world until closed."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, world: World, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.world = world

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        with self.server.world._lock:
            self.server.world.connections += 1
            self.server.world.open_connections += 1

    def finish(self) -> None:
        with self.server.world._lock:
            self.server.world.open_connections -= 1
        super().finish()

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        self._answer()

    do_PUT = do_GET = do_POST

    def _answer(self) -> None:
        world = self.server.world
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        kind = {"/token": "token", f"{CATALOG}/images": "search", f"{CATALOG}/bands": "bands"}.get(path, "raster")
        content = zlib.crc32(body + urlsplit(self.path).query.encode())
        with world._lock:
            world.requests[kind] += 1
            attempt = world.attempts[kind, content]
            world.attempts[kind, content] += 1
            world._in_flight += 1
            world.most_in_flight = max(world.most_in_flight, world._in_flight)
            crowded = world.at_most is not None and world._in_flight > world.at_most
        try:
            if world.latency:
                time.sleep(world.latency)
            fault = "429" if crowded else world.fault(kind, content, attempt)
            self._send(world, kind, content, path, json.loads(body or b"{}"), fault)
        finally:
            with world._lock:
                world._in_flight -= 1

    def _send(
        self, world: World, kind: str, content: int, path: str, body: dict[str, Any], fault: Fault | None
    ) -> None:
        headers: dict[str, str] = {}
        try:
            if fault and fault[:3].isdigit():
                if fault == "429-after":
                    headers["Retry-After"] = "1"
                raise Refusal(int(fault[:3]), f"on demand: {self.headers.get('Authorization', '')}")
            if kind != "token":
                self._authorise(world)
            kept = world._kept.get(content) if world.keep and kind == "raster" else None
            status, answer = 200, kept or getattr(self, f"_{kind}")(world, path, body)
            if world.keep and kind == "raster":
                world._kept[content] = answer
        except Refusal as refusal:
            status = refusal.status
            answer = json.dumps({"errors": [{"title": "refused", "detail": str(refusal)}]}).encode()
            if status == 400 and not fault and not set(body.get("ids", ())) & set(world.refused):
                world.problems.append(str(refusal))
        length = len(answer)
        if fault == "truncated":
            answer = answer[: length * 2 // 3]
            length = len(answer)
        elif fault == "short":
            answer = answer[: length // 2]
        elif fault == "garbage":
            # The head stays: what follows it is noise.
            head = answer[: length // 3]
            answer = head + np.random.default_rng(length).bytes(length - len(head))
        elif fault == "longer":
            answer += b"and more"
            length = len(answer)
        elif fault == "empty":
            answer, length = b"", 0
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        with world._lock:
            world.sent[kind] += len(answer)
        if world.chunked and not fault:
            self.send_header("Transfer-Encoding", "chunked")
            parts = [answer[n : n + 65536] for n in range(0, len(answer), 65536)] + [b""]
            answer = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        else:
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)
        if fault == "short":
            self.close_connection = True

    def _authorise(self, world: World) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in world.tokens:
            raise Refusal(401, "unknown token")
        claims = token.split(".")[1]
        if json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"] < time.time():
            raise Refusal(401, "expired token")

    def _token(self, world: World, path: str, body: dict[str, Any]) -> bytes:
        if (body.get("client_id"), body.get("refresh_token")) != world.client or body["grant_type"] != "refresh_token":
            raise Refusal(401, f"wrong client {body}")
        return json.dumps({"access_token": world.issue(world.token_seconds)}).encode()

    def _search(self, world: World, path: str, body: dict[str, Any]) -> bytes:
        query = parse_qs(urlsplit(self.path).query)
        if "continuation" in query:
            with world._lock:
                found = world._pages.pop(query["continuation"][0], None)
            if found is None:
                raise Refusal(400, f"no such continuation {query}")
        else:
            expressions = json.loads(body["filter"])
            area = shape(json.loads(body["intersects"]))
            west, south, east, north = area.bounds
            if not (-180 <= west < east <= 180 and -90 <= south < north <= 90) or not area.is_valid:
                raise Refusal(400, f"intersects: not a valid geometry within the globe: {area.wkt[:200]}")
            if not any(e.get("name") == "product_id" for e in expressions):
                raise Refusal(400, "product_id is mandatory")
            found = [
                s for s in world.scenes if all(_meets(s, e) for e in expressions) and _on_globe(s).intersects(area)
            ]
        page, rest = found[: world.page], found[world.page :]
        links: dict[str, str] = {}
        if rest:
            with world._lock:
                key = f"page{len(world._pages)}-{world.requests['search']}-{threading.get_ident()}"
                world._pages[key] = rest
            links["next"] = f"{self.server.url}{CATALOG}/images?continuation={key}"
        products = sorted({scene.product for scene in page})
        return json.dumps(
            {
                "meta": {"count": len(found)},
                "data": [_document(scene) for scene in page],
                "included": [{"type": "product", "id": p, "attributes": {"name": p}} for p in products],
                "links": links,
                "jsonapi": {"version": "1.0"},
            }
        ).encode()

    def _bands(self, world: World, path: str, body: dict[str, Any]) -> bytes:
        product = next(e["val"] for e in json.loads(body["filter"]) if e["name"] == "product_id")
        held: list[dict[str, Any]] = []
        if product in (SENTINEL2, TOP):
            data, physical = world.s2_ranges
            held += [_band(product, n, "spectral", data_range=data, physical_range=physical) for n in S2_BANDS]
        elif product == SENTINEL1:
            held += [_band(product, n, "microwave", data_range=S1_DATA, physical_range=S1_DECIBELS) for n in S1_BANDS]
        if held:
            held.append(_band(product, "alpha", "mask", data_range=(0, 1)))
        return json.dumps({"meta": {"count": len(held)}, "data": held, "links": {}}).encode()

    def _raster(self, world: World, path: str, body: dict[str, Any]) -> bytes:
        if path != f"{RASTER}/npz":
            raise Refusal(404, path)
        scene = next((s for s in world.scenes if [s.id] == body["ids"]), None)
        if scene is None:
            raise Refusal(404, f"no image {body['ids']}")
        if scene.id in world.refused:
            raise Refusal(world.refused[scene.id], f"cannot render {scene.id}")
        _check_grid(scene, body)
        xmin, _, xmax, ymax = body["outputBounds"]
        height, width = body["outsize"][1], body["outsize"][0]
        names = S1_BANDS if scene.product == SENTINEL1 else S2_BANDS
        most = 4095 if scene.product == SENTINEL1 else 9973
        kept = np.stack([raw_values(scene.id, names.index(b), xmin, ymax, (height, width), most=most)
                         for b in body["bands"][:-1]])  # fmt: skip
        mask = np.zeros(kept.shape, bool)
        if scene.valid:
            x = xmin + 10 * np.arange(width) + 5
            y = ymax - 10 * np.arange(height) - 5
            inside = ((x > scene.valid[0]) & (x < scene.valid[2]))[None, :] & (
                (y > scene.valid[1]) & (y < scene.valid[3])
            )[:, None]
            mask |= ~inside
        values = _scaled(kept, body["scales"], body["ot"])
        values[mask] = 0
        facts = {
            "geoTransform": [xmin, (xmax - xmin) / width, 0.0, ymax, 0.0, -10.0],
            "coordinateSystem": {"epsg": int(body["srs"].removeprefix("EPSG:"))},
            "size": [width, height],
        }
        return _npz(values, mask, facts)


def _check_grid(scene: Scene, body: dict[str, Any]) -> None:
    """Refuse what is not exactly one patch of 10 m pixels, and whatever would move or clip it."""
    expected = {
        "resolution": None, "shape": None, "targetAlignedPixels": False, "resampleAlg": "near", "of": "blosc",
        "mask_nodata": True, "mask_alpha": True, "drop_alpha": True, "outputBoundsSRS": body["srs"],
        "output_window": None,
    }  # fmt: skip
    for key, value in expected.items():
        if body.get(key) != value:
            raise Refusal(400, f"{key}: {body.get(key)!r}, expected {value!r}")
    xmin, ymin, xmax, ymax = body["outputBounds"]
    width, height = body["outsize"]
    if (xmax - xmin, ymax - ymin) != (10 * width, 10 * height) or xmin % 10 or ymax % 10:
        raise Refusal(400, f"not pixels of 10 m on multiples of 10 m: {body['outputBounds']} in {body['outsize']}")
    if scene.epsg is not None and body["srs"] != f"EPSG:{scene.epsg}":
        raise Refusal(400, f"srs: {body['srs']}, but the scene is in EPSG:{scene.epsg}")
    if not -5_000 <= ymin <= ymax <= 10_005_000 or not 100_000 < xmin < 900_000:
        raise Refusal(400, f"not within a UTM zone: {body['outputBounds']}")
    s2 = scene.product != SENTINEL1
    known = S2_BANDS if s2 else S1_BANDS
    if body["bands"][-1] != "alpha" or not set(body["bands"][:-1]) <= set(known):
        raise Refusal(400, f"bands: {body['bands']}")
    levels = {SENTINEL2: ("surface", "default"), TOP: ("default",), SENTINEL1: (None,)}[scene.product]
    if body["ot"] != ("UInt16" if s2 else "Float32") or body["processing_level"] not in levels:
        raise Refusal(400, f"ot, processing_level: {body['ot']}, {body['processing_level']}")


def _scaled(kept: np.ndarray, scales: list[Any] | None, data_type: str) -> np.ndarray:
    result = kept.astype(float)
    for index, scale in enumerate((scales or [])[: len(kept)]):
        if scale:
            d0, d1, p0, p1 = scale
            result[index] = p0 + (result[index] - d0) * (p1 - p0) / (d1 - d0)
    if data_type == "UInt16":
        return np.clip(np.rint(result), 0, 65535).astype(np.uint16)
    return result.astype(np.float32)


def _npz(values: np.ndarray, mask: np.ndarray, facts: dict[str, Any]) -> bytes:
    """The reply of `/npz`: two lines of JSON, then chunks of a line, a blosc buffer of data, a blosc buffer of mask."""
    cuts = [0, values.shape[1] // 2, values.shape[1]]
    lines = [json.dumps(facts), json.dumps({"shape": values.shape, "dtype": values.dtype.name, "chunks": 2})]
    parts = [(line + "\n").encode() for line in lines]
    for top, bottom in pairwise(cuts):
        some, hidden = np.ascontiguousarray(values[:, top:bottom]), np.ascontiguousarray(mask[:, top:bottom])
        parts.append((json.dumps({"offset": [0, top, 0], "shape": some.shape}) + "\n").encode())
        parts += [blosc2.compress(a, a.dtype.itemsize, clevel=1, codec=blosc2.Codec.BLOSCLZ) for a in (some, hidden)]
    return b"".join(parts)


def _document(scene: Scene) -> dict[str, Any]:
    attributes = {
        "name": scene.id.removeprefix(scene.product + ":"),
        "product_id": scene.product,
        "acquired": scene.acquired,
        "geometry": mapping(scene.footprint),
        "storage_state": "available",
        "cs_code": f"EPSG:{scene.epsg}" if scene.epsg else "EPSG:4326",
        **scene.attributes,
    }
    product = {"product": {"data": {"type": "product", "id": scene.product}}}
    return {"type": "image", "id": scene.id, "attributes": attributes, "relationships": product}


def _band(product: str, name: str, kind: str, **attributes: Any) -> dict[str, Any]:
    own = {"name": name, "product_id": product, "type": kind, "data_type": "UInt16", **attributes}
    return {"type": "band", "id": f"{product}:{name}", "attributes": own}


def _meets(scene: Scene, expression: dict[str, Any]) -> bool:
    if "and" in expression:
        return all(_meets(scene, e) for e in expression["and"])
    if "or" in expression:
        return any(_meets(scene, e) for e in expression["or"])
    if expression["name"] == "product_id":
        return expression["op"] == "eq" and expression["val"] == scene.product
    own, wanted = _instant(scene.acquired), _instant(expression["val"])
    return {"gte": own >= wanted, "lt": own < wanted}[expression["op"]]


@lru_cache(maxsize=1_000_000)
def _instant(text: str) -> np.datetime64:
    return np.datetime64(text.removesuffix("Z"), "us")


def _on_globe(scene: Scene) -> Any:
    """The footprint with parts beyond 180 degrees moved to the other side, for intersecting."""
    west, _, east, _ = scene.footprint.bounds
    if west >= -180 and east <= 180:
        return scene.footprint
    moved = shapely.affinity.translate(scene.footprint, -360 if east > 180 else 360)
    return shapely.union(scene.footprint, moved)


def main() -> None:
    """Serve the scenes of a JSON file from a process of its own; prints the URL. For benchmarks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenes", help="JSON: a list of Scene fields, footprint as WKT")
    parser.add_argument("--latency", type=float, default=0.2)
    options = parser.parse_args()
    with open(options.scenes) as file:  # noqa: PTH123
        scenes = [Scene(**{**fields, "footprint": shapely.from_wkt(fields["footprint"])}) for fields in json.load(file)]
    server = Server(World(scenes=scenes, latency=options.latency, keep=True))
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

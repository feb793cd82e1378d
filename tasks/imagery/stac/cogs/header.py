"""Headers of GeoTIFFs: what a file says of its pixels, and where its blocks lie (TIFF 6.0, BigTIFF, GeoTIFF 1.1)."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine

from tasks.imagery.stac.cogs.facts import Facts

Fetch = Callable[[int, int], bytes]
"""Bytes of a file from a position on: fewer than asked for only where the file ends."""

AHEAD = 16_384
"""Bytes that are read at first: the header of a scene of 10,980 pixels in blocks of 512 or more, overviews included."""

NONE, LZW, DEFLATE, OLD_DEFLATE, ZSTD = 1, 5, 8, 32_946, 50_000
"""Compressions that blocks are decoded from here."""

_LARGEST = 64 * 2**20
"""Bytes of a block that is worth reading whole."""

_TYPES = {
    1: "u1", 2: "S1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 11: "f4", 12: "f8", 13: "u4", 16: "u8",
    17: "i8", 18: "u8",
}  # fmt: skip
"""NumPy's names of TIFF's field types; rationals are of no use here."""

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _FILL_ORDER = 254, 256, 257, 258, 259, 266
_STRIPS, _SAMPLES, _ROWS, _STRIP_SIZES, _PLANAR = 273, 277, 278, 279, 284
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _FORMAT = 317, 322, 323, 324, 325, 339
_PIXEL_SCALE, _TIEPOINTS, _MATRIX, _GEO_KEYS, _METADATA, _NODATA = 33_550, 33_922, 34_264, 34_735, 42_112, 42_113
_MODEL, _RASTER, _GEOGRAPHIC, _PROJECTED, _LINEAR_UNITS, _VERTICAL = 1024, 1025, 2048, 3072, 3076, 4096

_MASK = 4
"""In NewSubfileType: a transparency mask."""

_USER_DEFINED = 32_767


class NotPlain(Exception):
    """A file that only GDAL can read, or tell what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the pixels of a file are stored."""

    block: tuple[int, int]
    """(height, width) of a tile, or of a strip."""
    across: int
    """Blocks side by side."""
    down: int
    """Blocks below each other."""
    positions: NDArray[np.integer[Any]]
    """Of the blocks, row by row and plane by plane: (n,) bytes from the file's start, 0 = absent."""
    sizes: NDArray[np.integer[Any]]
    """Compressed: (n,) bytes."""
    compression: int
    predictor: int
    order: str
    """Of bytes: < or >."""
    interleaved: int
    """Bands in a block."""
    tiled: bool


def read_header(fetch: Fetch) -> tuple[Facts, Layout]:
    """The first image of a file. Raises NotPlain: GDAL is to be asked; whatever `fetch` raises."""
    head = _Head(fetch)
    magic = head.part(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(magic[:2])
    if order is None or len(magic) < 16:
        raise NotPlain("no TIFF")
    version = struct.unpack(f"{order}H", magic[2:4])[0]
    if version not in (42, 43):
        raise NotPlain("no TIFF")
    big = version == 43
    start = struct.unpack(f"{order}{'Q' if big else 'I'}", magic[8:16] if big else magic[4:8])[0]
    tags, after = _directory(head, start, order, big)
    size = (_one(tags, _WIDTH, 0), _one(tags, _HEIGHT, 0))
    for _ in range(32):
        if not after:
            break
        other, after = _directory(head, after, order, big)
        if _one(other, _SUBFILE, 0) & _MASK and (_one(other, _WIDTH, 0), _one(other, _HEIGHT, 0)) == size:
            raise NotPlain("a mask")
    dtype, bands = _type(tags), _one(tags, _SAMPLES, 1)
    layout = _layout(tags, dtype, bands, order)
    scales, offsets, units = _metadata(_text(tags, _METADATA), bands)
    facts = Facts(
        width=size[0],
        height=size[1],
        bands=bands,
        dtype=dtype,
        crs=_crs(tags),
        transform=_transform(tags),
        nodata=_nodata(_text(tags, _NODATA), dtype),
        scales=scales,
        offsets=offsets,
        units=units,
    )
    return facts, layout


class _Head:
    """The parts of a file that were read for its header."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._parts: list[tuple[int, bytes]] = []

    def part(self, start: int, count: int) -> bytes:
        """`count` bytes; fewer where the file ends."""
        for begin, content in self._parts:
            if begin <= start and start + count <= begin + len(content):
                return content[start - begin : start - begin + count]
        # Directories that lie somewhere else are read with what follows them.
        content = self._fetch(start, max(count, AHEAD))
        self._parts.append((start, content))
        return content[:count]


class _Tags(dict[int, Any]):
    """The fields of a directory by tag; large ones are read when they are first asked for."""

    def __missing__(self, _: int) -> None:
        return None


def _directory(head: _Head, start: int, order: str, big: bool) -> tuple[_Tags, int]:
    """The fields of the directory at a position, and where the next one is; 0: nowhere."""
    width, entry, pointer = (8, 20, "Q") if big else (2, 12, "I")
    counted = head.part(start, width)
    if len(counted) < width:
        raise NotPlain("cut short")
    count = struct.unpack(f"{order}{'Q' if big else 'H'}", counted)[0]
    if count > 4096:
        raise NotPlain("no directory")
    length = count * entry + struct.calcsize(pointer)
    content = head.part(start + width, length)
    if len(content) < length:
        raise NotPlain("cut short")
    tags = _Tags()
    inline = struct.calcsize(pointer)
    for index in range(count):
        at = index * entry
        tag, kind, number = struct.unpack_from(f"{order}HH{pointer}", content, at)
        name = _TYPES.get(kind)
        if name is None:
            continue
        size = np.dtype(name).itemsize * number
        if size <= inline:
            raw = content[at + entry - inline : at + entry - inline + size]
        else:
            raw = (head, struct.unpack_from(f"{order}{pointer}", content, at + entry - inline)[0], size)
        tags[tag] = (raw, order + name)
    return tags, struct.unpack_from(f"{order}{pointer}", content, count * entry)[0]


def _values(tags: _Tags, tag: int) -> NDArray[Any] | None:
    """The values of a field: (n,); None where the file has none."""
    held = tags[tag]
    if held is None:
        return None
    raw, kind = held
    if isinstance(raw, tuple):
        head, start, size = raw
        if size > _LARGEST:
            raise NotPlain("the size of its header")
        raw = head.part(start, size)
        if len(raw) < size:
            raise NotPlain("cut short")
    return np.frombuffer(raw, kind)


def _one(tags: _Tags, tag: int, otherwise: int) -> int:
    found = _values(tags, tag)
    return otherwise if found is None or not len(found) else int(found[0])


def _text(tags: _Tags, tag: int) -> str:
    found = _values(tags, tag)
    return "" if found is None else found.tobytes().partition(b"\0")[0].decode("utf-8", "replace").strip()


def _type(tags: _Tags) -> np.dtype[Any]:
    bits, kinds = _values(tags, _BITS), _values(tags, _FORMAT)
    bits = np.array([1]) if bits is None else bits
    kinds = np.array([1]) if kinds is None else kinds
    letter = {1: "u", 2: "i", 3: "f"}.get(int(kinds[0]))
    width = int(bits[0])
    if letter is None or (bits != width).any() or (kinds != kinds[0]).any() or width not in (8, 16, 32, 64):
        raise NotPlain("its type")
    if letter == "f" and width < 32:
        raise NotPlain("its type")
    return np.dtype(f"{letter}{width // 8}")


def _layout(tags: _Tags, dtype: np.dtype[Any], bands: int, order: str) -> Layout:
    width, height = _one(tags, _WIDTH, 0), _one(tags, _HEIGHT, 0)
    tiled = tags[_TILES] is not None
    if tiled:
        block = (_one(tags, _TILE_HEIGHT, 0), _one(tags, _TILE_WIDTH, 0))
        positions, sizes = _values(tags, _TILES), _values(tags, _TILE_SIZES)
    else:
        block = (min(_one(tags, _ROWS, height), height), width)
        positions, sizes = _values(tags, _STRIPS), _values(tags, _STRIP_SIZES)
    compression, predictor = _one(tags, _COMPRESSION, NONE), _one(tags, _PREDICTOR, 1)
    interleaved = bands if _one(tags, _PLANAR, 1) == 1 else 1
    if positions is None or sizes is None or not min(*block, width, height, bands):
        raise NotPlain("no blocks")
    if compression not in (NONE, LZW, DEFLATE, OLD_DEFLATE, ZSTD) or _one(tags, _FILL_ORDER, 1) != 1:
        raise NotPlain("its compression")
    if predictor not in (1, 2, 3) or (predictor == 3 and dtype.kind != "f"):
        raise NotPlain("its predictor")
    if block[0] * block[1] * interleaved * dtype.itemsize > _LARGEST:
        raise NotPlain("the size of its blocks")
    across, down = math.ceil(width / block[1]), math.ceil(height / block[0])
    if len(positions) != across * down * (bands // interleaved) or len(sizes) != len(positions):
        raise NotPlain("the number of its blocks")
    return Layout(
        # Copied: what is kept must not keep all that was read for it.
        block=block, across=across, down=down, positions=positions.copy(), sizes=sizes.copy(), compression=compression,
        predictor=predictor, order=order, interleaved=interleaved, tiled=tiled,
    )  # fmt: skip


def _crs(tags: _Tags) -> str:
    """EPSG code of the CRS as text. Raises NotPlain: it is described in any other way, or not at all."""
    keys = _values(tags, _GEO_KEYS)
    if keys is None or len(keys) < 4:
        raise NotPlain("no CRS")
    # Keys whose value stands elsewhere are texts and numbers of CRSs that have no code.
    found = {
        int(key): int(value) for key, place, _, value in keys[4 : 4 + 4 * int(keys[3])].reshape(-1, 4) if not place
    }
    code = found.get({1: _PROJECTED, 2: _GEOGRAPHIC}.get(found.get(_MODEL, 0), 0), 0)
    if not 1024 <= code < _USER_DEFINED or _VERTICAL in found or found.get(_LINEAR_UNITS, 9001) != 9001:
        raise NotPlain("its CRS")
    if found.get(_RASTER, 1) != 1:
        raise NotPlain("pixels that are points")
    return f"EPSG:{code}"


def _transform(tags: _Tags) -> Affine:
    """From (column, row) of a pixel's upper left corner to coordinates."""
    matrix = _values(tags, _MATRIX)
    if matrix is not None and len(matrix) == 16:
        a, b, _, c, d, e, _, f = (float(value) for value in matrix[:8])
        return Affine(a, b, c, d, e, f)
    scale, ties = _values(tags, _PIXEL_SCALE), _values(tags, _TIEPOINTS)
    if scale is None or ties is None or len(scale) < 2 or len(ties) != 6:
        raise NotPlain("its place")
    column, row, _, x, y, _ = (float(value) for value in ties)
    across, down = float(scale[0]), -float(scale[1])
    return Affine(across, 0, x - column * across, 0, down, y - row * down)


def _nodata(text: str, dtype: np.dtype[Any]) -> float | None:
    """The value that stands for nothing, as pixels of the type hold it; None where none can."""
    try:
        value = float(text)
    except ValueError:
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            found = float(dtype.type(value))
        # Written in decimal, the largest number of a type may have become larger than the type.
        return math.copysign(float(np.finfo(dtype).max), value) if math.isinf(found) > math.isinf(value) else found
    bounds = np.iinfo(dtype)
    return value if value.is_integer() and bounds.min <= value <= bounds.max else None


def _metadata(text: str, bands: int) -> tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]:
    """Scales, offsets and units of the bands, as GDAL writes them."""
    scales, offsets, units = [1.0] * bands, [0.0] * bands, [""] * bands
    try:
        items = list(ElementTree.fromstring(text)) if text else []
        for item in items:
            role, band = item.get("role"), int(item.get("sample", 0))
            if role in ("scale", "offset"):
                {"scale": scales, "offset": offsets}[role][band] = float(item.text or "")
            elif role == "unittype":
                units[band] = item.text or ""
    except (ElementTree.ParseError, ValueError, IndexError):
        raise NotPlain("its metadata") from None
    return tuple(scales), tuple(offsets), tuple(units)

"""Blocks of GeoTIFFs: which ones a rectangle touches, what is fetched together, and how they are decoded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.imagery.stac.cogs.facts import Facts, Span
from tasks.imagery.stac.cogs.header import DEFLATE, LZW, NONE, OLD_DEFLATE, ZSTD, Layout
from tasks.imagery.stac.refusals import Damaged

GAP = 16_384
"""Bytes between two blocks that are rather fetched than asked around: less than a request costs."""

LONGEST = 16 * 2**20
"""Bytes of a request, unless a single block has more."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Blocks of one file that are fetched with one request."""

    start: int
    length: int
    blocks: tuple[int, ...]


def touched(span: Span, layout: Layout, band: int) -> list[int]:
    """Positions in `layout` of the blocks that hold pixels of a band, numbered from 1."""
    height, width = layout.block
    plane = 0 if layout.interleaved > 1 else (band - 1) * layout.across * layout.down
    rows = range(span.top // height, (span.bottom - 1) // height + 1)
    columns = range(span.left // width, (span.right - 1) // width + 1)
    return [plane + row * layout.across + column for row in rows for column in columns]


def runs(blocks: Sequence[int], layout: Layout) -> Iterator[Run]:
    """Requests for blocks that are there, neighbours in the file together."""
    waiting: list[tuple[int, int, int]] = sorted(
        (int(layout.positions[block]), int(layout.sizes[block]), block) for block in blocks
    )
    together: list[int] = []
    start = end = 0
    for position, size, block in waiting:
        if together and (position - end > GAP or position + size - start > LONGEST):
            yield Run(start=start, length=end - start, blocks=tuple(together))
            together = []
        if not together:
            start = end = position
        together.append(block)
        end = max(end, position + size)
    if together:
        yield Run(start=start, length=end - start, blocks=tuple(together))


def is_absent(block: int, layout: Layout) -> bool:
    """Whether a block was never written: all its pixels are nodata, or 0."""
    return not layout.positions[block] or not layout.sizes[block]


def decoded(content: memoryview, block: int, layout: Layout, facts: Facts) -> NDArray[Any]:
    """The pixels of a block: (height, width, bands in it), in the type and byte order of this machine.

    Raises Damaged: too little, or what its checksum or compression does not allow.
    """
    height, width = layout.block
    rows = height
    if not layout.tiled:
        rows = min(height, facts.height - block // layout.across % layout.down * height)
    row = width * layout.interleaved * facts.dtype.itemsize
    try:
        raw = _DECODERS[layout.compression](content, rows * row)
    except (RuntimeError, ValueError, OSError, pa.ArrowException) as error:
        raise Damaged(f"block {block}: {error}") from None
    if len(raw) < rows * row:
        raise Damaged(f"block {block}: {len(raw)} of {rows * row} bytes")
    return _unpredicted(raw[: rows * row], (rows, width, layout.interleaved), layout, facts.dtype)


def _unpredicted(raw: NDArray[np.uint8], shape: tuple[int, int, int], layout: Layout, dtype: Any) -> NDArray[Any]:
    """The predictor of a block taken back (TIFF 6.0, section 14; TIFF Technical Note 3)."""
    rows, width, bands = shape
    if layout.predictor == 3:
        # Bytes of one significance stand together, the most significant first, whatever the order of the file.
        size = dtype.itemsize
        planes = imagecodecs.delta_decode(raw.reshape(rows, -1, bands), axis=1).reshape(rows, size, width * bands)
        whole = np.empty((rows, width * bands, size), np.uint8)
        for place in range(size):
            whole[:, :, size - 1 - place] = planes[:, place]
        return whole.view(dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)
    values = raw.view(dtype.newbyteorder(layout.order)).astype(dtype, copy=False).reshape(shape)
    if layout.predictor == 2:
        bits = values.view(f"u{dtype.itemsize}")
        # One band is told as a plane, which is three times as fast.
        bits = bits.reshape(shape[:2]) if bands == 1 else bits
        out = bits if bits.flags.writeable else None
        return imagecodecs.delta_decode(bits, axis=1, out=out).view(dtype).reshape(shape)
    return values


def _deflate(content: Any, size: int) -> NDArray[np.uint8]:
    # libdeflate compares the checksum at the end of the stream.
    out: Any = np.empty(size, np.uint8)
    return np.asarray(imagecodecs.deflate_decode(content, out=out))


def _lzw(content: Any, size: int) -> NDArray[np.uint8]:
    return np.frombuffer(imagecodecs.lzw_decode(content, out=size), np.uint8)


def _zstd(content: Any, size: int) -> NDArray[np.uint8]:
    return np.frombuffer(pa.Codec("zstd").decompress(content, decompressed_size=size), np.uint8)


def _plain(content: Any, size: int) -> NDArray[np.uint8]:
    return np.frombuffer(content[:size], np.uint8)


_DECODERS: dict[int, Callable[[Any, int], NDArray[np.uint8]]] = {
    NONE: _plain, LZW: _lzw, DEFLATE: _deflate, OLD_DEFLATE: _deflate, ZSTD: _zstd,
}  # fmt: skip

"""Reading rasters: headers once a file, the blocks of many files together, decoded beside the network."""

import os
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SceneUnavailable
from tasks.imagery.platform import Traffic
from tasks.imagery.stac.cogs import gdal
from tasks.imagery.stac.cogs.addresses import Signer, unsigned
from tasks.imagery.stac.cogs.blocks import Run, decoded, is_absent, runs, touched
from tasks.imagery.stac.cogs.facts import Facts, File, Replaced, Span, Version
from tasks.imagery.stac.cogs.header import Layout, NotPlain, read_header
from tasks.imagery.stac.cogs.kept import Dropped, Kept
from tasks.imagery.stac.cogs.sources import Sources
from tasks.imagery.stac.refusals import Damaged, damaged
from tasks.imagery.threads import Threads

_HEADERS = 4096
"""Files whose headers are kept: some 2 KB each, those of 270 samples."""


@dataclass(frozen=True, kw_only=True)
class Raster:
    """A file that was opened."""

    file: File
    facts: Facts
    layout: Layout | None
    """None: GDAL reads it."""
    key: Hashable
    """Of this content of the file."""
    version: Version
    """Which it is."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Pixels that are wanted."""

    raster: Raster
    span: Span
    band: int = 1


class Reader:
    """Reads files of an archive, on disks and servers. Safe to use from many threads.

    Every request goes through the one retry layer, with a limit of its own for every host.
    """

    def __init__(
        self,
        *,
        name: str = "stac",
        requests: int = 32,
        deadline: float = 60.0,
        patience: float = 300.0,
        kept: int = 128 * 2**20,
        sign: Signer = unsigned,
    ) -> None:
        """`requests` in flight to a host; `deadline` and `patience` in seconds, of an answer and of a request with all
        its attempts; `kept` bytes of decoded blocks that may be wanted again; `sign` is asked before every request.
        """
        self._sources = Sources(name=name, requests=requests, deadline=deadline, patience=patience, sign=sign)
        self._headers: Kept[tuple[Facts, Layout | None, Version]] = Kept(_HEADERS)
        self._blocks: Kept[NDArray[Any]] = Kept(kept)
        # While one decodes, another may use its place.
        self._new_threads = partial(Threads, requests + (os.cpu_count() or 1), f"read-{name}")
        self._threads: Threads | None = None
        self._lock = Lock()

    def open(self, files: Sequence[File], traffic: Traffic) -> list[Raster]:
        """Files with what they say of their pixels, all headers asked for at once.

        Raises SceneUnavailable: there is no such file. PixelsError: no raster, damaged, without a place, still failing
        after the patience. CredentialsError: it may not be read. PlatformUnreachable.
        """
        keys = [self._key(file) for file in files]
        found, mine = self._headers.claim(keys)
        of_key = dict(zip(keys, files, strict=True))
        try:
            self._run([(of_key[key], partial(self._keep_header, key, of_key[key], traffic)) for key in mine])
        except SceneUnavailable:
            if len(files) > 1:
                # Others may look for some of the files just now, and a commit tells the first that is not there.
                self._headers.drop_undone(mine)
                for file in files:
                    self.open([file], traffic)
            raise
        finally:
            self._headers.drop_undone(mine)
        opened: list[Raster] = []
        for key, file in zip(keys, files, strict=True):
            try:
                facts, layout, version = found[key].result()
            except Dropped:
                opened += self.open([file], traffic)
            else:
                content = (key, version)
                opened.append(Raster(file=file, facts=facts, layout=layout, key=content, version=version))
        return opened

    def read(self, parts: Sequence[Part], traffic: Traffic) -> list[NDArray[Any]]:
        """Pixels of files as they are stored there, all blocks asked for at once: (height, width) of each part, in the
        type of its file; a masked array where the file has a mask.

        Raises as `open`; Replaced: a file is another one than was opened, which is to be opened anew.
        """
        plain = {i: layout for i, part in enumerate(parts) if (layout := part.raster.layout) is not None}
        needed = {i: self._needed(parts[i], layout) for i, layout in plain.items()}
        found, mine = self._blocks.claim([key for keys in needed.values() for key in keys.values()])
        jobs: list[tuple[File, Callable[[], None]]] = []
        claimed = set(mine)
        for i, layout in plain.items():
            raster, keys = parts[i].raster, needed[i]
            blocks = [block for block, key in keys.items() if key in claimed]
            claimed -= {keys[block] for block in blocks}
            jobs += [
                (raster.file, partial(self._keep_blocks, raster, layout, run, traffic)) for run in runs(blocks, layout)
            ]
        results: list[NDArray[Any] | None] = [None] * len(parts)

        def by_gdal(i: int) -> None:
            part = parts[i]
            results[i] = self._sources.gdal(
                part.raster.file, lambda signed, deadline: gdal.read(signed, part.band, part.span, deadline), traffic
            )

        jobs += [(part.raster.file, partial(by_gdal, i)) for i, part in enumerate(parts) if i not in plain]
        try:
            self._run(jobs)
        finally:
            self._blocks.drop_undone(mine)
        for i, layout in plain.items():
            try:
                blocks = {block: found[key].result() for block, key in needed[i].items()}
            except Dropped:
                (results[i],) = self.read([parts[i]], traffic)
            else:
                results[i] = _assembled(parts[i], layout, blocks)
        return [result for result in results if result is not None]

    def close(self) -> None:
        """End connections and threads and forget what is kept; later calls start new ones."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.close()
        self._sources.close()
        self._headers.clear()
        self._blocks.clear()

    def _key(self, file: File) -> Hashable:
        path = file.path
        if path is None:
            return file.href
        try:
            state = path.stat()
        except OSError:
            return file.href
        return str(path), state.st_mtime_ns, state.st_size

    def _needed(self, part: Part, layout: Layout) -> dict[int, Hashable]:
        blocks = touched(part.span, layout, part.band)
        return {block: (part.raster.key, block) for block in blocks if not is_absent(block, layout)}

    def _run(self, jobs: Sequence[tuple[File, Callable[[], None]]]) -> None:
        """Do jobs: those of servers at the same time, those of disks here, one after the other."""
        remote = [job for file, job in jobs if file.path is None]
        pending: list[Future[None]] = []
        if remote:
            with self._lock:
                self._threads = self._threads or self._new_threads()
                pending = [self._threads.submit(0, job) for job in remote]
        try:
            for file, job in jobs:
                if file.path is not None:
                    job()
            wait(pending, return_when="FIRST_EXCEPTION")
        finally:
            for future in pending:
                future.cancel()
            wait(pending)
        for future in pending:
            # Those that were cancelled come after one that failed: they are begun in order.
            future.result()

    def _keep_header(self, key: Hashable, file: File, traffic: Traffic) -> None:
        self._headers.give(key, self._header(file, traffic), 1)

    def _header(self, file: File, traffic: Traffic) -> tuple[Facts, Layout | None, Version]:
        first: Version | None = None

        def part(start: int, length: int) -> bytes:
            nonlocal first
            content, version = self._sources.part(file, start, length, traffic)
            first = first or version
            if first.differs(version):
                raise Replaced(file)
            return content

        try:
            facts, layout = read_header(part)
            return facts, layout, first or Version()
        except NotPlain:
            # GDAL opens the file whenever it reads of it.
            return self._sources.gdal(file, gdal.facts, traffic), None, Version()

    def _keep_blocks(self, raster: Raster, layout: Layout, run: Run, traffic: Traffic) -> None:
        blocks = self._decoded(raster, layout, run, traffic)
        for block, pixels in blocks.items():
            self._blocks.give((raster.key, block), pixels, pixels.nbytes)

    def _decoded(self, raster: Raster, layout: Layout, run: Run, traffic: Traffic) -> dict[int, NDArray[Any]]:
        """Fetch and decode a run; a damaged one once more, past every cache, before it is told."""
        file, anew = raster.file, False
        while True:
            part, version = self._sources.part(file, run.start, run.length, traffic, anew=anew)
            if raster.version.differs(version):
                self._headers.drop(self._key(file))
                self._headers.drop(file.href)
                raise Replaced(file)
            content = memoryview(part)
            try:
                return {block: self._block(content, block, run, raster, layout) for block in run.blocks}
            except Damaged as error:
                if anew or file.path is not None:
                    raise damaged(file.href, str(error)) from None
                anew = True
                traffic.add(retries=1)

    def _block(self, content: memoryview, block: int, run: Run, raster: Raster, layout: Layout) -> NDArray[Any]:
        start, size = int(layout.positions[block]) - run.start, int(layout.sizes[block])
        if start + size > len(content):
            raise Damaged(f"block {block}: the file ends {start + size - len(content)} bytes before it does")
        return decoded(content[start : start + size], block, layout, raster.facts)


def _assembled(part: Part, layout: Layout, blocks: dict[int, NDArray[Any]]) -> NDArray[Any]:
    """The pixels of a part from its blocks; those of absent ones are nodata, or 0."""
    facts, span = part.raster.facts, part.span
    height, width = layout.block
    result = np.full(span.shape, facts.nodata or 0, facts.dtype) if len(blocks) < len(
        touched(span, layout, part.band)
    ) else np.empty(span.shape, facts.dtype)  # fmt: skip
    sample = part.band - 1 if layout.interleaved > 1 else 0
    for block, pixels in blocks.items():
        row, column = divmod(block % (layout.across * layout.down), layout.across)
        top, left = row * height, column * width
        rows = slice(max(span.top, top), min(span.bottom, top + height))
        columns = slice(max(span.left, left), min(span.right, left + width))
        result[rows.start - span.top : rows.stop - span.top, columns.start - span.left : columns.stop - span.left] = (
            pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left, sample]
        )
    return result

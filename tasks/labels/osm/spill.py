"""Sorting features by shard on disk: what a pass meets by id is wanted by place."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.labels.osm.store import FEATURES

_MOST_FILES = 128
"""Files open at once; each takes a range of shards, and is in memory once, when it is read back."""

_SHARD = pa.field("shard", pa.int32())


class Spill:
    """Takes rows in any order, gives them back by shard. A folder of Arrow streams, compressed."""

    def __init__(self, folder: Path, shards: list[int]) -> None:
        self._shards = np.array(sorted(shards))
        self._files = min(_MOST_FILES, len(shards))
        self._schema = pa.schema([_SHARD, *FEATURES])
        self._folder = folder
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}

    def __enter__(self) -> "Spill":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def add(self, shard: NDArray[np.int32], rows: pa.Table) -> None:
        """Take rows, each of one shard: (n,)."""
        file_of = np.searchsorted(self._shards, shard) * self._files // len(self._shards)
        rows = rows.add_column(0, _SHARD, pa.array(shard))
        for number in np.unique(file_of):
            if (writer := self._writers.get(int(number))) is None:
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                writer = pa.ipc.new_stream(str(self._folder / f"{number}.arrows"), self._schema, options=options)
                self._writers[int(number)] = writer
            writer.write_table(rows.take(np.flatnonzero(file_of == number)).cast(self._schema))

    def by_shard(self) -> Iterator[tuple[int, pa.Table]]:
        """Shards that have rows, in order, with their rows."""
        numbers = sorted(self._writers)
        self._close()
        for number in numbers:
            path = self._folder / f"{number}.arrows"
            with pa.ipc.open_stream(str(path)) as reader:
                rows = reader.read_all()
            path.unlink()
            shards = rows["shard"].to_numpy()
            for shard in np.unique(shards):
                yield int(shard), rows.take(np.flatnonzero(shards == shard)).drop_columns(["shard"])

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

"""The rows of a corpus as its release keeps them, `samples.parquet`: read a portion at a time."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import CorpusError

PORTION = 1 << 14
"""Rows in memory at once, and items in a row group: few enough to be read for a part of the world, many enough to be
written in a stream at some kilobytes of columns each."""


@dataclass(frozen=True, kw_only=True)
class SampleTable:
    """All rows of a corpus in a file of this machine."""

    path: Path
    schema: pa.Schema
    known: frozenset[str]
    """Columns that have a value in some row."""

    @classmethod
    def open(cls, path: Path) -> "SampleTable":
        """Look at a file. Raises CorpusError: it is none of Parquet."""
        try:
            with pq.ParquetFile(path) as file:
                schema, metadata = file.schema_arrow, file.metadata
        except (OSError, pa.ArrowInvalid) as error:
            raise CorpusError(f"{path}: cannot be read as Parquet ({error}). Release the corpus again.") from error
        return cls(path=path, schema=schema, known=frozenset(schema.names) - _without_values(metadata))

    def nothing(self, columns: Sequence[str]) -> pa.RecordBatch:
        """Some columns of no row. Raises CorpusError: one is missing."""
        self._need(columns)
        return pa.RecordBatch.from_pylist([], pa.schema([self.schema.field(name) for name in columns]))

    def portions(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows that have pixels, in order, up to `PORTION` rows at once.

        Raises CorpusError: a column is missing.
        """
        read = [*dict.fromkeys([*columns, "missing"])]
        self._need(read)
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(PORTION, columns=read):
                held = batch.filter(batch["missing"].is_null())
                if held.num_rows:
                    yield held.select([*columns])

    def _need(self, columns: Sequence[str]) -> None:
        if absent := [name for name in columns if name not in self.schema.names]:
            raise CorpusError(
                f"{self.path}: has no column {absent[0]}, so it does not hold the rows of this corpus. Release the "
                "corpus again."
            )


def _without_values(metadata: Any) -> set[str]:
    """Columns whose row groups all say that they hold nothing but null."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    held: set[str] = set()
    names = {_column(metadata.row_group(0), at) for at in range(metadata.num_columns)} if groups else set[str]()
    for group in groups:
        for at in range(group.num_columns):
            column = group.column(at)
            told = column.statistics
            if told is None or not told.has_null_count or told.null_count < column.num_values:
                held.add(_column(group, at))
    return names - held


def _column(group: Any, at: int) -> str:
    """The column to which values belong: those of lists are a level below it."""
    return re.sub(r"\.list\.(element|item)$", "", group.column(at).path_in_schema)

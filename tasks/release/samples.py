"""The rows of all shards in one file, `release/samples.parquet`: GeoParquet, in the order of shards and rows."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import CorpusError
from tasks.shards.commits import Commit
from tasks.shards.destinations import Destination
from tasks.shards.layout import samples_object
from tasks.shards.recorded import each_shard, listed, read_sound

_ROWS = 20_000
"""Rows of a row group, about: some 20 MB before they are written."""

_GEO, _PANDAS = b"geo", b"pandas"
"""Keys of a file's metadata: of GeoParquet, and of what types the columns have in a data frame."""


def write_samples(destination: Destination, file: Path) -> Path:
    """Write the rows of all shards to `file`, which it returns. The same corpus gives the same bytes.

    In one pass, holding a row group; in a second one too if shards differ in the types of their columns, as one does
    that knows nothing but nulls where others have texts. A column that a shard lacks is null there.
    Raises CorpusError: rows are damaged, or of types that do not go together; DestinationError.
    """
    schema: pa.Schema | None = None
    while True:
        writing = _Writing(file, schema)
        for table in _tables(destination):
            writing.add(table)
        if writing.finish():
            return file
        schema = writing.schema


def _tables(destination: Destination) -> Iterator[pa.Table]:
    def read(commit: Commit) -> bytes:
        path = samples_object(commit.shard)
        item = listed(commit, path)
        if item is None:
            raise CorpusError(f"{destination.location}: the record of shard {commit.shard} does not list {path}.")
        return read_sound(destination, item)

    for content in each_shard(destination, "gathering the rows", read):
        yield pq.ParquetFile(io.BytesIO(content)).read(use_threads=False)


@dataclass
class _Writing:
    """One pass over the rows: it writes as long as those that come fit the columns that it began with."""

    file: Path
    schema: pa.Schema | None
    """Of all rows so far."""
    writer: pq.ParquetWriter | None = None
    waiting: list[pa.Table] = field(default_factory=list)
    """Less than a row group."""
    geo: dict[str, Any] = field(default_factory=dict)
    frame: bytes = b""
    """As the first shard has it."""

    def add(self, table: pa.Table) -> None:
        """Take the rows of a shard. Raises CorpusError: a column is of a type that does not go with that of others."""
        own = table.schema
        schema = self.schema or own
        if not own.equals(schema):
            try:
                schema = pa.unify_schemas([schema, own], promote_options="permissive")
            except pa.ArrowException as error:
                raise CorpusError(f"the rows of shards do not go together: {error}") from None
        self.schema = schema
        if self.writer is None:
            self.frame = own.metadata.get(_PANDAS, b"")
            # Without Arrow's own copy of the schema, which would hide from its readers what is told at the end.
            self.writer = pq.ParquetWriter(self.file, schema, compression="zstd", store_schema=False)
        self.geo = _geo(json.loads(own.metadata[_GEO]), self.geo)
        if schema.equals(self.writer.schema):
            self.waiting.append(table)
            if sum(one.num_rows for one in self.waiting) >= _ROWS:
                self._flush()

    def finish(self) -> bool:
        """Close the file; says whether it has all rows."""
        if self.writer is None or self.schema is None:
            raise CorpusError("a corpus without shards has no rows; build it first.")
        whole = self.schema.equals(self.writer.schema)
        if whole:
            self._flush()
        self.writer.add_key_value_metadata({_GEO: json.dumps(self.geo).encode(), _PANDAS: self.frame})
        self.writer.close()
        return whole

    def _flush(self) -> None:
        if self.waiting and self.schema is not None and self.writer is not None:
            rows = pa.concat_tables([self.schema.empty_table(), *self.waiting], promote_options="permissive")
            self.writer.write_table(rows.cast(self.schema).combine_chunks(), row_group_size=rows.num_rows)
            self.waiting.clear()


def _geo(own: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """What GeoParquet says of a file, given what it says of a shard and of those before: all of them in one box."""
    if not before:
        return own
    name = own["primary_column"]
    column, held = own["columns"][name], before["columns"][name]
    box = [*map(min, held["bbox"][:2], column["bbox"][:2]), *map(max, held["bbox"][2:], column["bbox"][2:])]
    kinds = sorted({*held["geometry_types"], *column["geometry_types"]})
    return before | {"columns": {name: held | {"bbox": box, "geometry_types": kinds}}}

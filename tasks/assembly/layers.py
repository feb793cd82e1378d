"""Laying layers beside the pixels of a shard, before the pixels are fetched: no fetch is wasted on a label's fault."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.assembly.builder import Builder
from tasks.assembly.candidates import Candidate
from tasks.errors import LabelsError
from tasks.labels.layer import Layer
from tasks.shards.description import layer_contradictions, read_description
from tasks.shards.rows import Sample, patches_of


@lru_cache(maxsize=4)
def refuse_other_sources(builder: Builder) -> None:
    """See that the corpus, where it is described, is labelled from these sources: a worker may have another file.

    Raises LabelsError: it is not; tells the differences. DestinationError, CorpusError.
    """
    for destination in builder.destinations if builder.layers else ():
        held = read_description(destination)
        if held and (told := layer_contradictions(held, builder.layer_descriptions)):
            raise LabelsError(f"{destination.location}: {'; '.join(told)}. Restore the source on this machine.")


class Laying:
    """The layers of one shard while it is filled.

    Candidates are laid a batch at a time, into the rows that they get if none of them is replaced; as they are kept,
    their labels move up to the rows that they do get.
    """

    def __init__(self, layers: Sequence[Layer], shard: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """`arrays` are those of the shard, (sample, ...) each, of which the layers' are filled."""
        self._drawn = [layer for layer in layers if layer.overlay is None]
        self._sent = [layer for layer in layers if layer.overlay is not None]
        self._layers, self._shard, self._arrays = layers, shard, arrays
        self._first = 0
        """Row of the batch's first candidate, if it is kept."""
        self._position: dict[int, int] = {}
        """In the batch's facts, of those that were laid, by their place in the batch."""
        self._facts: dict[str, NDArray[Any]] = {}
        self._columns: dict[str, dict[int, Any]] = {name: {} for layer in layers for name in layer.columns}
        """By row."""

    def lay(self, batch: Sequence[Candidate], row: int) -> None:
        """Lay a batch of candidates from `row` on, those that have acquisitions. Raises what the layers raise."""
        ats = [at for at, candidate in enumerate(batch) if candidate.why is None]
        self._first, self._facts = row, {}
        self._position = {at: position for position, at in enumerate(ats)}
        if not ats or not self._drawn:
            return
        patches = patches_of([batch[at].patch for at in ats])
        rows = row + np.array(ats)
        for layer in self._drawn:
            pixels = layer.render(patches, self._shard)
            for kind in layer.arrays:
                self._arrays[kind.path][rows] = pixels[kind.path]
            self._facts |= layer.facts(patches, self._shard, pixels)

    def keep(self, at: int, row: int) -> None:
        """The candidate at a place in the batch gets `row`, which is at most the one that it was laid into."""
        laid = self._first + at
        for layer in self._drawn if row != laid else ():
            for kind in layer.arrays:
                self._arrays[kind.path][row] = self._arrays[kind.path][laid]
        for name, values in self._facts.items():
            self._columns[name][row] = values[self._position[at]]

    def settle(self, samples: Sequence[Sample]) -> None:
        """The batch is done: rows of places that got no pixels are nodata again."""
        lacking = [sample.row for sample in samples[self._first :] if sample.missing is not None]
        for layer in self._drawn:
            for kind in layer.arrays:
                self._arrays[kind.path][lacking] = kind.fill

    def columns(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """The columns of all layers for the shard's samples, (n,) each, null for those without pixels."""
        rows = [sample.row for sample in samples if sample.missing is None]
        for layer in self._sent if rows else ():
            patches = patches_of([samples[row].patch for row in rows])
            pixels = {kind.path: self._arrays[kind.path][rows] for kind in layer.arrays}
            for name, values in layer.facts(patches, self._shard, pixels).items():
                self._columns[name] = dict(zip(rows, values, strict=True))
        columns: dict[str, Any] = {}
        for layer in self._layers:
            for name, dtype in layer.columns.items():
                column = np.full(len(samples), None, dtype=object)
                for row, value in self._columns[name].items():
                    column[row] = value
                columns[name] = pd.array(column, dtype=dtype)
        return columns

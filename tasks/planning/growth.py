"""Growing a corpus by steps: how large it is to be after the next run."""

from tasks.errors import SpecError
from tasks.shards.description import read_description
from tasks.shards.destinations import open_destination
from tasks.shards.writing import everywhere
from tasks.spec import CorpusSpec


def grown(spec: CorpusSpec, step: int) -> CorpusSpec:
    """The spec with the size that a run which grows the corpus by at most `step` samples gives it.

    A corpus that lacks shards is completed before it grows; none grows beyond the spec's size.
    Raises SpecError: the places are listed, or the step is none; DestinationError, DamagedDescription.
    """
    if spec.size is None:
        raise SpecError("grow_by: the places are listed, and say how many samples there are. Leave grow_by away.")
    destinations = [open_destination(location) for location in spec.destinations]
    held = max((found.shards for item in destinations if (found := read_description(item))), default=0)
    missing = held - sum(shard < held for shard in everywhere(destinations))
    return spec.changed(size=next_size(spec.size, held, missing, step=step, shard_size=spec.shard_size))


def next_size(goal: int, held: int, missing: int, *, step: int, shard_size: int) -> int:
    """Samples after the next run of a corpus that has `held` shards, `missing` of them not built yet.

    Raises SpecError: the step is none.
    """
    if step < 1:
        raise SpecError(f"grow_by: {step} is no step; expected a number of samples above 0.")
    shards = held if missing else held + -(-step // shard_size)
    # A corpus that is larger than the goal already stays as large as it is.
    return max(min(shards * shard_size, goal), held * shard_size)

"""The seam for whatever is laid beside the images: labels and other rasters on the patch's grid."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from tasks.places.patches import Patches
from tasks.shards.array_kinds import ArrayKind


class Layer(Protocol):
    """Something that is known of every patch without asking a platform. Pure: the same patches give the same pixels.

    Safe to use from many threads.
    """

    name: str
    """As the spec has it; `labels/<name>` is the usual path of its array."""
    arrays: tuple[ArrayKind, ...]
    """The arrays that it fills."""
    columns: Mapping[str, str]
    """The columns that it adds to the rows, with their pandas types."""

    def describe(self) -> dict[str, Any]:
        """What `corpus.json` says of it: sources with their digests, classes, licence. Compared when a corpus grows."""
        ...

    def render(self, patches: Patches, shard: int) -> Mapping[str, NDArray[Any]]:
        """The pixels on n patches of a shard by array path: (n, ..., height, width) in the array's own type.

        A layer of which a platform has sent the pixels with the imagery need not be asked.
        """
        ...

    def facts(self, patches: Patches, shard: int, pixels: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The values of the columns for n patches, each (n,), given their pixels as `render` gives them."""
        ...

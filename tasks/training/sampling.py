"""The order in which samples are read: by shard, so that what is read together lies together."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class ShardSampler:
    """Shuffles shards, and the samples within a window of some shards; a sampler for PyTorch's DataLoader.

    A function of seed and epoch alone, the same in every process. With `ranks` processes that train together each takes
    every `ranks`-th sample, all of them equally many: what is over at the end is left out.
    """

    def __init__(
        self, shards: NDArray[np.integer], *, seed: int = 0, window: int = 4, rank: int = 0, ranks: int = 1
    ) -> None:
        """`shards`: of each sample of a dataset, (n,): `CorpusDataset.shards`. Raises ValueError: out of bounds."""
        if window < 1 or ranks < 1 or not 0 <= rank < ranks:
            raise ValueError(f"window={window}, rank={rank}, ranks={ranks}: expected window >= 1, 0 <= rank < ranks")
        self._shards = np.asarray(shards)
        self._seed, self._window, self._rank, self._ranks = seed, window, rank, ranks
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Have another order from the next iteration on."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._shards) // self._ranks

    def __iter__(self) -> Iterator[int]:
        """Indices of samples."""
        return iter(self.order().tolist())

    def order(self) -> NDArray[np.int64]:
        """Indices of samples, those of this rank: (len,)."""
        random = np.random.Generator(np.random.Philox([self._seed, self._epoch]))
        names, of = np.unique(self._shards, return_inverse=True)
        windows = random.permutation(len(names))[of] // self._window
        # By window, and within it as chance has it: a stable sort of a shuffled list.
        shuffled = random.permutation(len(self._shards))
        order = shuffled[np.argsort(windows[shuffled], kind="stable")]
        return order[self._rank : len(self) * self._ranks : self._ranks]

"""A corpus as a map-style PyTorch dataset, wherever it is stored: a folder, gs://, az://, or behind a web server.

    from torch.utils.data import DataLoader
    from tasks.training.reader import CorpusDataset
    from tasks.training.sampling import ShardSampler

    corpus = CorpusDataset("gs://bucket/corpus", bands={"s2": ["B04", "B03", "B02"], "s1": ["VV"]}, labels=["corine"])
    loader = DataLoader(corpus, batch_size=32, sampler=ShardSampler(corpus.shards, seed=1), num_workers=2)

It knows neither Prefect nor the client of a platform, and needs the extra `train`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SpecError
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.destinations import open_readable
from tasks.shards.layout import sample_id
from tasks.training.channels import Values, choose_channels, choose_clouds, choose_labels
from tasks.training.contents import read_contents
from tasks.training.shard_reader import ShardReader, Wanted
from tasks.training.views import View

try:
    import torch
    from torch.utils.data import Dataset
except ModuleNotFoundError as error:
    raise SpecError(
        "tasks.training.reader: needs PyTorch, which is in the extra `train`; install it: pip install "
        "'deepsentinel[train]'."
    ) from error

Item = dict[str, Any]
"""A sample, see `CorpusDataset`."""


class CorpusDataset(Dataset[Item]):
    """Samples of a corpus as dictionaries, with the keys that TorchGeo, TerraTorch and Kornia go by.

    - `image`: float32 (channel, y, x), the bands of all roles in the order asked for. With `stack=False` a key a
      role instead, `image_s2`, `image_s2_cloudy`, `image_s1` (of several platforms `image_<platform>_s2`, ...).
    - `mask`: int64 (y, x) of a label of classes, 0 = nodata (`ignore_index=0`); float32 of one of values, NaN = nodata.
      Arrays of OpenStreetMap have class c as bit c - 1. Of several labels `mask_<label>` each.
    - `bounds`: float64 (4,), xmin, ymin, xmax, ymax in metres of `crs`, text such as EPSG:32632.
    - `mask_<role>_cloud`: uint8 (y, x), the cloud mask of a role in `clouds`: probability in percent, 255 = nodata. Of
      several platforms `mask_<platform>_<role>_cloud`.
    - `sample_id`: text, as in the rows; `sample`: where in the arrays it lies.

    Of a corpus with several dates images are (time, channel, y, x), cloud masks (time, y, x), also if one date is
    asked for; labels stay (y, x). `date`: int64 (time,), the numbers of the dates (`times` says when their parts of the
    window begin). `there`: bool (time,), whether a date has pixels: one without is all nodata.

    Pixels without data become `fill`: 0 of normalised values is the band's mean and says nothing, NaN keeps them apart
    (`~image.isnan()` are the valid ones, also after transforms). Listed places without pixels are left out.

    Safe in DataLoader workers, forked or spawned; what a process has open is its own. A batch is asked for at once, and
    each sample is one range request an array, after one a shard and array for its index.
    """

    def __init__(
        self,
        corpus: str | Path,
        *,
        split: str | None = "train",
        bands: Mapping[str, Sequence[str]] | None = None,
        labels: Sequence[str] = (),
        clouds: Sequence[str] = (),
        dates: int | Sequence[int] | None = None,
        crop: int | None = None,
        platforms: Sequence[str] | None = None,
        values: Values = "normalised",
        stack: bool = True,
        fill: float = 0.0,
        transforms: Callable[[Item], Item] | None = None,
        digest: str | None = None,
        cache: str | Path | None = None,
        reads: int = 32,
    ) -> None:
        """Open a corpus and choose what to read of it.

        `bands`: of each role that is wanted, in the order wanted, such as {"s2_cloudy": ["B04"], "s1": ["VV"]}; None:
        all that the platform has. `clouds`: roles whose cloud mask is wanted. `dates`: a number draws so many for each
        item, in their order, those with pixels first; several numbers are these dates; None: all. `crop`: pixels a side
        of a square, drawn for each item and alike in all arrays; of large patches only the chunks that it touches are
        read. What is drawn is drawn by torch's generator, which DataLoader seeds for each worker and epoch.
        `platforms`: None is the first one. `split`: None is all. `values`: `normalised` by the released statistics of
        the train split, `physical` (reflectance x 10,000 and dB), or `stored` (uint16, int16, nodata as it is; not
        stacked, to be scaled on the accelerator). `digest`: of the corpus that is meant, another one is refused.
        `cache`: a folder in which whole shards are kept, for stores that are far; it has to have room for the corpus.
        `reads`: requests in flight.

        Raises SpecError: something that the corpus does not have is asked for; CorpusError: no corpus, not released
        (`normalised`), a band without valid pixels; DestinationError, CredentialsError.
        """
        super().__init__()
        source = open_readable(str(corpus))
        contents = read_contents(source, split=split, digest=digest)
        self._contents, self.digest, self.transforms = contents, contents.digest, transforms
        self._channels = choose_channels(
            source, contents, platforms=platforms, bands=bands, values=values, stack=stack, fill=fill
        )
        self._labels = choose_labels(source, contents.description, labels)
        self._clouds = choose_clouds(source, contents.description, clouds, platforms)
        self._dates, self._crop = _known_dates(dates, contents.description.dates), crop
        if crop is not None and not 1 <= crop <= contents.description.pixels:
            raise SpecError(f"crop={crop}: the patches have {contents.description.pixels} pixels a side; use no more.")
        self._reader = ShardReader(
            source.location,
            contents.description.shard_size,
            cache=None if cache is None else Path(cache) / contents.digest,
            reads=reads,
        )

    @property
    def channels(self) -> dict[str, tuple[str, ...]]:
        """What is along the first axis of each image, by key: ("s2_B04", ..., "s1_VV")."""
        return {
            key: tuple(name for one in self._channels if one.key == key for name in one.names)
            for key in dict.fromkeys(one.key for one in self._channels)
        }

    @property
    def times(self) -> tuple[str, ...]:
        """First days of the parts of the window, by number of the date; empty where there is one date."""
        return self._contents.description.times

    @property
    def shards(self) -> NDArray[np.int64]:
        """The shard of each sample, (n,), by which `ShardSampler` goes."""
        return self._contents.shards

    def __len__(self) -> int:
        return len(self._contents.samples)

    def __getitem__(self, index: int) -> Item:
        """One sample. Raises IndexError; CorpusError: an object is absent or damaged; DestinationError."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        """Some samples, all asked for at once; DataLoader takes a batch by it. Raises as `__getitem__`."""
        contents, size = self._contents, self._contents.description.shard_size
        places = [divmod(int(contents.samples[index]), size) for index in indices]
        views = [self._view(index) for index in indices]
        kinds: list[ArrayKind] = [one.kind for one in self._channels]
        kinds += [*self._labels.values(), *self._clouds.values()]
        wanted = [
            Wanted(kind=kind, shard=shard, row=row, view=view)
            for (shard, row), view in zip(places, views, strict=True)
            for kind in kinds
        ]
        pixels = self._reader.pixels(wanted)
        items: list[Item] = []
        for index, (shard, row), view in zip(indices, places, views, strict=True):
            item: Item = self._images(pixels)
            item |= {key: torch.from_numpy(_mask(kind, next(pixels))) for key, kind in self._labels.items()}
            item |= {key: torch.from_numpy(np.ascontiguousarray(next(pixels))) for key in self._clouds}
            if self.times:
                chosen = list(range(len(self.times)) if view.dates is None else view.dates)
                item["date"], item["there"] = torch.tensor(chosen), torch.from_numpy(contents.there[index][chosen])
            item["bounds"] = torch.from_numpy(
                _bounds(contents.bounds[index].astype(np.float64), view, contents.description.pixels)
            )
            item["crs"] = f"EPSG:{contents.epsg[index]}"
            item["sample_id"] = sample_id(contents.description.name, shard, row)
            item["sample"] = shard * size + row
            items.append(item if self.transforms is None else self.transforms(item))
        return items

    def _view(self, index: int) -> View:
        """What is read of a sample."""
        dates, square = self._dates, None
        if isinstance(dates, int):
            order = torch.randperm(len(self.times)).tolist()
            dates = sorted(sorted(order, key=lambda date: not self._contents.there[index][date])[:dates])
        if self._crop is not None:
            room = self._contents.description.pixels - self._crop + 1
            top, left = torch.randint(room, (2,)).tolist()
            square = (top, left, self._crop)
        return View(dates=None if dates is None else tuple(dates), square=square)

    def _images(self, pixels: Any) -> Item:
        images = dict[str, NDArray[Any]]()
        for one in self._channels:
            stored = next(pixels)
            some = stored[..., one.along, :, :]
            if one.scaling is None:
                images[one.key] = np.ascontiguousarray(some)
                continue
            if one.key not in images:
                images[one.key] = np.empty((*some.shape[:-3], one.of, *some.shape[-2:]), np.float32)
            one.scaling.apply(some, images[one.key][..., one.first : one.first + len(one.names), :, :])
        return {key: torch.from_numpy(image) for key, image in images.items()}


def _known_dates(dates: int | Sequence[int] | None, known: int) -> int | list[int] | None:
    """The dates asked for. Raises SpecError: the corpus has no such."""
    if dates is None:
        return None
    if known == 1:
        raise SpecError(f"dates={dates!r}: the corpus looks at a place once. Leave it out.")
    if isinstance(dates, int):
        if not 1 <= dates <= known:
            raise SpecError(f"dates={dates}: the corpus has {known} dates. Ask for 1 to {known} of them.")
        return dates
    chosen = list(dates)
    if not chosen or min(chosen) < 0 or max(chosen) >= known:
        raise SpecError(f"dates={chosen}: the corpus has the dates 0 to {known - 1}. Name some of them.")
    return chosen


def _bounds(bounds: NDArray[np.float64], view: View, pixels: int) -> NDArray[np.float64]:
    """Of what a view shows: xmin, ymin, xmax, ymax in metres, given those of the patch of so many pixels a side."""
    if view.square is None:
        return bounds
    top, left, side = view.square
    step = (bounds[2] - bounds[0]) / pixels
    west, north = bounds[0] + step * left, bounds[3] - step * top
    return np.array([west, north - step * side, west + step * side, north])


def _mask(kind: ArrayKind, stored: NDArray[Any]) -> NDArray[Any]:
    """A label as losses take it."""
    if kind.step is None:
        return stored.astype(np.int64)
    return np.where(stored == kind.fill, np.float32("nan"), stored * np.float32(kind.step))

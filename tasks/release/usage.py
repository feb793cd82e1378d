"""What the data card says of opening a corpus: with xarray and geopandas, and with PyTorch."""

from tasks.scenes.looks import MASK
from tasks.scenes.roles import sensor_of
from tasks.shards.description import Description
from tasks.shards.layout import LABELS


def usage(description: Description) -> list[str]:
    """The section, with the names of this corpus' own platforms, arrays and labels."""
    platform = next(iter(description.bands))
    code = ["import geopandas, xarray", "", f'corpus = xarray.open_zarr("CORPUS", group="{platform}")']
    images = [kind for kind in description.arrays if kind.group == platform]
    code += [f"corpus.{kind.name}  # (sample, {', '.join(kind.dimensions)}), {_means(kind.name)}" for kind in images]
    code += [
        'rows = geopandas.read_parquet("CORPUS/release/samples.parquet")',
        'train = rows[(rows["split"] == "train") & rows["missing"].isna()]',
        f'corpus.{description.roles[0]}[train["sample"].iloc[0]].values  # `sample` is the index into the arrays',
    ]
    arrays = [kind for layer in description.layers.values() for kind in layer.arrays]
    if arrays:
        code += ["", f'labels = xarray.open_zarr("CORPUS", group="{LABELS}")']
        code += [f"labels.{kind.name}  # (sample, {', '.join(kind.dimensions)}), {kind.dtype}" for kind in arrays]
    first = next((kind.name for kind in arrays), None)
    chosen = f', labels=["{first}"]' if first else ""
    keys = ", ".join(f"image_{role}" for role in description.roles)
    shape = "sample, time, channel, y, x" if description.dates > 1 else "sample, channel, y, x"
    torch = [
        "from torch.utils.data import DataLoader",
        "from tasks.training.reader import CorpusDataset",
        "from tasks.training.sampling import ShardSampler",
        "",
        f'corpus = CorpusDataset("CORPUS", split="train"{chosen})  # normalised by release/statistics.json',
        "loader = DataLoader(corpus, batch_size=32, sampler=ShardSampler(corpus.shards, seed=1), num_workers=2)",
        "batch = next(iter(loader))",
        f'batch["image"]  # float32 ({shape}), see corpus.channels; stack=False: {keys}',
    ]
    if first:
        torch.append('batch["mask"]  # (sample, y, x), 0 = nodata')
    return [
        "## How to open it", "",
        "`CORPUS` is the folder or URL (`gs://`, `az://`) in which `corpus.json` and `release/` lie.", "",
        "```python", *code, "```", "",
        "With PyTorch (`pip install 'deepsentinel[train]'`):", "",
        "```python", *torch, "```", "",
    ]  # fmt: skip


def _means(role: str) -> str:
    if role.endswith(MASK):
        return "probability of cloud in percent, NaN = nodata"
    if sensor_of(role) == "sentinel2":
        return "uint16, reflectance x 10,000, 0 = nodata"
    return "decoded to dB, NaN = nodata"

"""The reader where nothing else was imported: `python -m tests.unit.training.apart URL` tells what it saw.

Workers are forked here, because the processes of tests hold threads and hooks of others; and PyTorch is imported once.
"""

import json
import multiprocessing
import sys

from tasks.errors import DeepSentinelError

CLIENTS = {"prefect", "ee", "earthdaily", "pystac", "pystac_client", "gcsfs", "adlfs", "zarr", "geopandas", "rasterio"}


def main(url: str) -> None:
    told: dict[str, object] = {}
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        import tasks.training.reader
    except DeepSentinelError as error:
        told["without torch"] = f"{type(error).__name__}: {error}"
    del sys.modules["torch"]
    import tasks.training.reader

    told["imported"] = sorted(CLIENTS & {name.split(".")[0] for name in sys.modules})
    import torch
    from torch.utils.data import DataLoader

    dataset = tasks.training.reader.CorpusDataset(url)
    # Connections, threads and indices are open by now.
    expected = torch.stack([dataset[index]["image"] for index in range(len(dataset))])
    for start, workers in (("fork", 2), ("spawn", 1)):
        context = multiprocessing.get_context(start)
        loader = DataLoader(dataset, batch_size=2, num_workers=workers, multiprocessing_context=context)
        told[start] = torch.equal(torch.cat([batch["image"] for batch in loader]), expected)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])

"""The deployed specs of public archives, over servers on loopback that answer and sign as the archives do."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
import zarr

from tasks.assembly.builder import open_builder
from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS
from tasks.release.terms import told_terms
from tasks.shards.array_kinds import S1_NODATA
from tasks.spec import CorpusSpec
from tasks.spec.archives import ARCHIVES
from tests.archive import Archive
from tests.integration.conftest import ROOT
from tests.servers.cogs import Cogs
from tests.servers.signatures import Signatures
from tests.servers.stac_api import StacApi, serving
from tests.unit.builders import described, values

KEYS = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22",
}  # fmt: skip
"""What Earth Search calls its assets."""


@dataclasses.dataclass
class Served:
    """Two archives on loopback, and what they were asked."""

    signatures: Signatures
    earth_search: StacApi
    planetary_computer: StacApi


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """One pair of scenes in both archives, as each of them describes and delivers it."""
    archive = Archive(tmp_path / "account" / "container")
    told = {"s2:processing_baseline": "05.10", "eo:cloud_cover": 5.0}
    archive.sentinel2("S2A_x", "2024-07-01T10:40:21Z", offset=1000, **told)
    archive.sentinel1("S1A_y", "2024-07-02T05:30:00Z", power=True, **{"sar:polarizations": ["VV", "VH"]})
    with ExitStack() as stack:
        signatures = Signatures()
        files = stack.enter_context(serving(Cogs(tmp_path, until=1)))
        sign = stack.enter_context(serving(signatures))
        (optical,), (radar,) = (
            [one.to_dict(include_self_link=False) for one in archive.collections[name]]
            for name in ("sentinel-2-l2a", "sentinel-1-grd")
        )
        for item in (optical, radar):
            for asset in item["assets"].values():
                asset["href"] = asset["href"].replace(str(tmp_path), files)
        radar |= {"collection": "sentinel-1-rtc"}
        element84 = optical | {"collection": "sentinel-2-c1-l2a", "assets": {
            KEYS[band]: asset | {"raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1}]}
            for band, asset in optical["assets"].items()
        }}  # fmt: skip
        microsoft = optical | {"collection": "sentinel-2-l2a"}
        apis = {
            "earth-search": StacApi({"sentinel-2-c1-l2a": [element84]}),
            "planetary-computer": StacApi({"sentinel-2-l2a": [microsoft], "sentinel-1-rtc": [radar]}),
        }
        for name, api in apis.items():
            known = ARCHIVES[name]
            both = {**known.both, **({"signatures": f"{sign}/token"} if "signatures" in known.both else {})}
            there = dataclasses.replace(known, catalog=stack.enter_context(api.running()), both=both)
            monkeypatch.setitem(ARCHIVES, name, there)
        yield Served(signatures, apis["earth-search"], apis["planetary-computer"])


def deployed(name: str, folder: Path) -> CorpusSpec:
    """A spec as deployed, but of a small place and small patches."""
    written: dict[str, Any] = yaml.safe_load((ROOT / "deployments" / "corpora" / f"{name}.yaml").read_text())
    small = {key: values(folder)[key] for key in ("places", "patch", "size", "shard_size", "destinations")}
    return CorpusSpec.model_validate(written | small)


@pytest.mark.parametrize("name", ["earth-search-100", "planetary-computer-100"])
def test_a_shard_of_it_is_built_and_holds_no_signature(name: str, served: Served, tmp_path: Path) -> None:
    builder = open_builder(deployed(name, tmp_path))
    description = described(builder)
    assert make_shard(builder, 0).samples == 5
    platform = name.removesuffix("-100").replace("-", "_")
    arrays = zarr.open_group(tmp_path / "corpus", mode="r")
    s2, s1 = (np.asarray(arrays[f"{platform}/{role}"][:5]) for role in ("s2", "s1"))
    s2 = np.delete(s2, BANDS.index("B10"), axis=1)
    # As the scenes were made: 1001 to 9999 without the offset, and from -30 to 0 dB.
    assert 1001 <= s2.min() <= s2.max() <= 9999
    assert s1[s1 != S1_NODATA].min() >= -3000
    assert s1.max() <= 0
    assert len(served.signatures.asked) == 1
    asked_for_optical = served.earth_search if name == "earth-search-100" else served.planetary_computer
    assert asked_for_optical.searches
    assert served.planetary_computer.searches
    for path in (tmp_path / "corpus").rglob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes()
    assert "CC BY 4.0" in told_terms(description)

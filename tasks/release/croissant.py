"""A corpus in the words of Croissant, by which catalogues of training data and `mlcroissant` read it.

The files are named relative to `release/`, so that a copy of a corpus anywhere has the same description. The samples
are records of `samples.parquet`; the pixels are Zarr arrays, which Croissant has no reader for, so that records tell of
each array where it is and what it holds. Source: Croissant Format Specification 1.1, MLCommons.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.release.croissant_context import CONTEXT
from tasks.release.items import ZARR
from tasks.release.label_classes import legends_in
from tasks.release.legends import BitLegend
from tasks.release.rules import of_a_sample, sensors_of, subject
from tasks.release.sample_columns import meaning_of
from tasks.release.sample_table import SampleTable
from tasks.release.sensors import SPECTRAL_BANDS
from tasks.release.terms import licence_links, providers_of, terms_of, told_terms
from tasks.shards.description import Description
from tasks.shards.layout import ROOT_METADATA, to_json

_FORMATS = {".parquet": "application/x-parquet", ".json": "application/json", ".md": "text/markdown"}
"""Media types by the end of the name; that of Parquet is the one by which mlcroissant knows it."""

_TOLD = {
    "items.parquet": "The samples as STAC items (stac-geoparquet).",
    "collection.json": "The STAC collection of the items.",
    "statistics.json": "Statistics of every band over the train split.",
}

_PART = 1 << 20
"""Bytes of a file that are read at once."""


def croissant(
    description: Description, samples: SampleTable, *, digest: str, metadata: bytes, files: Sequence[Path] = ()
) -> bytes:
    """The Croissant description of a corpus, as stored.

    `digest` is the corpus', `metadata` its root's `zarr.json`; `files` are others of its release to be listed beside
    `samples`, in one folder of this machine.
    """
    name = description.name
    return to_json(
        {
            "@context": CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "name": name,
            "description": _told(description),
            # What is fetched, grown and released again has another digest, and so another version.
            "version": f"1.0.0+{digest[:12]}",
            "license": _licences(description),
            "citeAs": _citation(description, digest),
            "creator": [{"@type": "sc:Organization", "name": one["name"]} for one in providers_of(description)[:1]],
            "keywords": [*sorted(map(str.lower, sensors_of(description))), "earth observation", *description.layers],
            "isLiveDataset": False,
            "distribution": [
                _file_object(samples.path, "All columns of all samples (GeoParquet)."),
                *(_file_object(path, _TOLD.get(path.name, path.name)) for path in files),
                _root(metadata),
                *_file_sets(description),
            ],
            "recordSet": [
                _splits(description),
                _samples(description, samples),
                _arrays(description),
                _bands(),
                *([_classes(description)] if description.layers else []),
            ],
        }
    )


def _told(description: Description) -> str:
    group, _, array = description.arrays[0].path.partition("/")
    return (
        f"{description.name}: patches of {description.pixels} x {description.pixels} pixels of 10 m, each with "
        f"{of_a_sample(description)} on the same pixel grid: 13 bands of Sentinel-2, VV and VH of Sentinel-1. The "
        "record set `samples` says what each sample is. Its pixels are in the Zarr (version 3) group of the folder "
        "above this file: `sample` is the index along the first axis of every array of the record set `arrays`, as in "
        f"`zarr.open_group(CORPUS, mode='r')['{group}/{array}'][sample]` or "
        f"`xarray.open_zarr(CORPUS, group='{group}')['{array}'].isel(sample=sample)`. Samples whose column `missing` "
        "has a value have no pixels. "
        + ("Columns of what differs by date are lists. " if description.dates > 1 else "")
        + told_terms(description)
    )


def _licences(description: Description) -> list[str]:
    links = [link["href"] for link in licence_links(description)]
    return [
        *links,
        *dict.fromkeys(one.licence for one in terms_of(description) if not links or one.part.startswith("labels:")),
    ]


def _citation(description: Description, digest: str) -> str:
    name = description.name
    return (
        f"@misc{{{name}, title = {{{name}: {subject(description)}}}, "
        f"note = {{Corpus with the digest {digest}, built with DeepSentinel after L. Kruitwagen, Towards DeepSentinel, "
        "2021}}"
    )


def _file_object(path: Path, told: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return _object(path.name, told, path.stat().st_size, digest.hexdigest(), _FORMATS.get(path.suffix, "text/plain"))


def _object(url: str, told: str, size: int, sha256: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": url.removeprefix("../"),
        "name": url.removeprefix("../"),
        "description": told,
        "contentUrl": url,
        "contentSize": f"{size} B",
        "encodingFormat": kind,
        "sha256": sha256,
    }


def _root(metadata: bytes) -> dict[str, Any]:
    told = "Metadata of all arrays, consolidated: opening the folder that holds it opens the corpus as a Zarr group."
    return _object(f"../{ROOT_METADATA}", told, len(metadata), hashlib.sha256(metadata).hexdigest(), "application/json")


def _file_sets(description: Description) -> Iterable[dict[str, Any]]:
    """The shards of each array."""
    for kind in description.arrays:
        yield {
            "@type": "cr:FileSet",
            "@id": f"{kind.path}/shards",
            "name": f"{kind.path}/shards",
            "description": f"Zarr shards of {kind.path}, {description.shard_size} samples each.",
            "encodingFormat": ZARR,
            "includes": f"../{kind.path}/c/*",
        }


def _field(record_set: str, name: str, kind: str | list[str], told: str, **more: Any) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": told,
        "dataType": kind,
        **more,
    }


def _record_set(name: str, told: str, fields: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": told, "field": fields, **more}


def _samples(description: Description, samples: SampleTable) -> dict[str, Any]:
    source = {"fileObject": {"@id": samples.path.name}}
    fields: list[dict[str, Any]] = []
    for column in samples.schema:
        more: dict[str, Any] = {"source": source | {"extract": {"column": column.name}}}
        kind: str | list[str] = _data_type(column.type)
        told = meaning_of(column.name, description)
        if column.name == "split":
            # Without a reference to the record set `splits`: mlcroissant joins by it, and then reads records only once.
            kind = [kind, "cr:Split"]
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            more |= {"isArray": True, "arrayShape": "-1"}
            told += " One a date." if description.dates > 1 else ""
        fields.append(_field("samples", column.name, kind, told, **more))
    return _record_set("samples", "A record a sample.", fields, key={"@id": "samples/sample_id"})


def _splits(description: Description) -> dict[str, Any]:
    """The splits by which places were dealt out, and their shares; a source of its own may name others."""
    shares = description.spec.get("splits", {})
    names = [name for name in ("train", "validation", "test") if shares.get(name, 1)]
    uses = {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}
    return _record_set(
        "splits",
        "What samples are for.",
        [
            _field("splits", "name", "sc:Text", "Name of the split."),
            _field("splits", "url", "sc:URL", "What it is for."),
        ],
        key={"@id": "splits/name"},
        dataType="cr:Split",
        data=[{"splits/name": name, "splits/url": uses[name]} for name in names],
    )


def _arrays(description: Description) -> dict[str, Any]:
    told = {
        "path": ("sc:Text", "Path of the array in the corpus."),
        "dimensions": ("sc:Text", "Names of its axes, in order."),
        "shape": ("sc:Text", "Lengths of its axes."),
        "dtype": ("sc:Text", "Type of its values."),
        "nodata": ("sc:Integer", "The value that stands for no data."),
        "step": ("sc:Float", "What one stored step is worth; null: values are stored as they are."),
        "meaning": ("sc:Text", "What the values are."),
    }
    data = [
        {
            "arrays/path": kind.path,
            "arrays/dimensions": " ".join(("sample", *kind.dimensions)),
            "arrays/shape": " ".join(map(str, (description.size, *kind.shape))),
            "arrays/dtype": kind.dtype,
            "arrays/nodata": kind.fill,
            "arrays/step": kind.step,
            "arrays/meaning": str(kind.attributes.get("long_name", kind.path)),
        }
        for kind in description.arrays
    ]
    fields = [_field("arrays", name, kind, meaning) for name, (kind, meaning) in told.items()]
    return _record_set("arrays", "The Zarr arrays of the corpus.", fields, key={"@id": "arrays/path"}, data=data)


def _bands() -> dict[str, Any]:
    told = {
        "name": ("sc:Text", "Name of the band of Sentinel-2, in the order of the axis `band`."),
        "common_name": ("sc:Text", "Its name in STAC."),
        "center_wavelength": ("sc:Float", "Micrometres, of Sentinel-2A."),
        "full_width_half_max": ("sc:Float", "Micrometres, of Sentinel-2A."),
        "resolution": ("sc:Integer", "Metres on the ground; the arrays repeat pixels to 10 m."),
    }
    data = [
        {
            "bands/name": name,
            "bands/common_name": band.common_name,
            "bands/center_wavelength": band.centre,
            "bands/full_width_half_max": band.width,
            "bands/resolution": band.resolution,
        }
        for name, band in SPECTRAL_BANDS.items()
    ]
    fields = [_field("bands", name, kind, meaning) for name, (kind, meaning) in told.items()]
    return _record_set("bands", "The bands of Sentinel-2.", fields, key={"@id": "bands/name"}, data=data)


def _classes(description: Description) -> dict[str, Any]:
    told = {
        "array": ("sc:Text", "Path of the array of labels."),
        "scheme": ("sc:Text", "Name along the array's second axis; null: it has no such axis."),
        "index": ("sc:Integer", "The value that stands for the class; of arrays of bits, class c is bit c - 1."),
        "bits": ("sc:Boolean", "Whether the array holds bits, so that a pixel may have several classes."),
        "name": ("sc:Text", "What the class is."),
    }
    data: list[dict[str, Any]] = []
    for kind in (kind for layer in description.layers.values() for kind in layer.arrays):
        for legend in legends_in(kind):
            bits = isinstance(legend, BitLegend)
            data += [
                {
                    "classes/array": kind.path,
                    "classes/scheme": None if isinstance(legend, BitLegend) else legend.scheme,
                    "classes/index": one.index,
                    "classes/bits": bits,
                    "classes/name": one.name,
                }
                for one in legend.classes
            ]
    fields = [_field("classes", name, kind, meaning) for name, (kind, meaning) in told.items()]
    return _record_set("classes", "What the numbers in labels mean.", fields, data=data)


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _data_type(kind.value_type)
    for matches, name in (
        (pa.types.is_integer, "sc:Integer"),
        (pa.types.is_floating, "sc:Float"),
        (pa.types.is_boolean, "sc:Boolean"),
        (pa.types.is_temporal, "sc:DateTime"),
    ):
        if matches(kind):
            return name
    return "sc:Text"

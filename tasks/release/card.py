"""The data card of a corpus, `release/README.md`: what it is, in numbers that are its own, and how to use it."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import yaml

from tasks.imagery.platform import CLEAR
from tasks.release.card_imagery import absent_bands, band_sections
from tasks.release.facts import ClassShares, Facts
from tasks.release.legends import BitLegend, legends_of
from tasks.release.markdown import bars, in_bytes, percent, table
from tasks.release.rules import first_gap, instants_words, of_a_sample, rule_words, rules_of, sensors_of, subject
from tasks.release.software import NAME, git_commit
from tasks.release.terms import terms_of
from tasks.release.usage import usage
from tasks.scenes.looks import MASK
from tasks.shards.layout import (
    CORPUS,
    CROISSANT,
    ITEMS,
    LEGEND,
    MAP,
    PAGE,
    PREVIEW,
    RELEASE,
    SAMPLES_FILE,
    STATISTICS_FILE,
)
from tasks.shards.pairing_counts import BIN, LIMITS
from tasks.spec import CorpusSpec
from tasks.spec.places import LAND
from tasks.spec.splits import SPLITS

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Sizes as data cards of Hugging Face class them."""


_TITLES = {
    "earthengine": "Google Earth Engine", "descarteslabs": "Descartes Labs", "demo": "the demo's invented archive",
    "corine": "CORINE Land Cover", "osm": "OpenStreetMap",
}  # fmt: skip
"""What platforms and layers are called where people read of them."""


def data_card(facts: Facts, statistics: Mapping[str, Any]) -> bytes:
    """The card in Markdown with a head in YAML, given the corpus' facts and its statistics.

    A function of the corpus and of the software that makes the card: no clock or host is in it.
    """
    lines = [
        *_head(facts),
        *_what(facts),
        *_contents(facts),
        *band_sections(facts.description, statistics),
        *_dates(facts),
        *_pairing(facts),
        *_splits(facts),
        *_labels(facts),
        *usage(facts.description),
        *_terms(facts),
        *_limits(facts),
        *_making(facts),
    ]
    return ("\n".join(lines).rstrip() + "\n").encode()


def _head(facts: Facts) -> list[str]:
    description = facts.description
    sensors = {"Sentinel-1": ["sentinel-1", "sar"], "Sentinel-2": ["sentinel-2", "multispectral"]}
    own = [tag for sensor in sorted(sensors_of(description)) for tag in sensors[sensor]]
    tags = ["earth-observation", "remote-sensing", *own, *(["time-series"] * (description.dates > 1)), "zarr"]
    head: dict[str, Any] = {
        "pretty_name": description.name,
        "license": "other",
        "license_name": "those-of-its-parts",
        "license_link": "#licences",
        "size_categories": [next((name for most, name in _SIZES if facts.samples < most), "1M<n<10M")],
        "task_categories": ["image-segmentation" if description.layers else "image-feature-extraction"],
        "tags": [*tags, *(["land-cover"] if description.layers else [])],
        "configs": [{"config_name": "samples", "data_files": f"{RELEASE}/samples.parquet"}],
    }
    return ["---", yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(), "---", ""]


def _what(facts: Facts) -> list[str]:
    description = facts.description
    side = description.pixels
    sources, layers = ([_TITLES.get(name, name) for name in named] for named in (description.bands, description.layers))
    labels = f", labelled with {_and(layers)}" if layers else ""
    alike = "; each platform has the same acquisitions" if len(description.bands) > 1 else ""
    lines = [
        f"# {description.name}",
        "",
        f"**{facts.samples:,} samples** of {subject(description)}{labels}. A sample is a square of {side} x {side} "
        f"pixels of 10 m with {of_a_sample(description)}, on one pixel grid, from {_and(sources)}{alike}. "
        "Made by [DeepSentinel](#how-it-was-made).",
        "",
        f"![Map of the samples]({_beside(MAP)})",
        "",
    ]
    return lines + ([f"![Some of the samples]({_beside(PREVIEW)})", ""] if facts.samples else [])


def _contents(facts: Facts) -> list[str]:
    description, spec = facts.description, facts.description.spec
    first, end = (str(instant)[:16].replace("T", " ").removesuffix(" 00:00") for instant in spec["window"])
    rows: list[tuple[str, str]] = [("samples", f"{facts.samples:,}")]
    if facts.missing:
        rows.append(("places without pixels", f"{sum(facts.missing.values()):,}"))
    rows += [
        ("stored", f"{in_bytes(facts.bytes)} in {description.shards:,} shards of {description.shard_size:,}"),
        ("places", _places(spec["places"], description.pixels)),
        ("window", f"{first} to {end} UTC, the end excluded"),
    ]
    if facts.first is not None:
        rows.append(("acquisitions", f"{facts.first:%Y-%m-%d %H:%M} to {facts.last:%Y-%m-%d %H:%M} UTC"))
    rows += [
        ("instants", instants_words(description)),
        *((f"role `{role}`", rule_words(description, role)) for role in description.roles),
        ("patch", f"{description.pixels} x {description.pixels} pixels of 10 m, UTM zone of its centre"),
        ("digest", f"`{facts.digest}`"),
    ]
    arrays = [
        (
            f"`{kind.path}`",
            "(sample, " + ", ".join(kind.dimensions) + ")",
            " x ".join(str(size) for size in (description.size, *kind.shape)),
            kind.dtype,
            kind.fill,
        )
        for kind in description.arrays
    ]
    return [
        "## Contents", "", *table(("corpus", description.name), rows),
        *table(("array", "dimensions", "shape", "dtype", "nodata"), arrays, right=(4,)),
        f"`{_beside(SAMPLES_FILE)}` has a row a sample: where, when, of which scenes, in which split; its column "
        f"`sample` is the index into the arrays. `{_beside(STATISTICS_FILE)}` has the figures of all bands. "
        f"`{_beside(PAGE)}` shows the corpus in a browser; `{_beside(ITEMS)}` (STAC) and `{_beside(CROISSANT)}` are "
        "for other tools.",
        "",
    ]  # fmt: skip


def _places(places: Mapping[str, Any], pixels: int) -> str:
    mode = next(mode for mode in ("random", "cover", "points") if mode in places)
    value = places[mode]
    if mode == "random":
        if any(isinstance(one, Mapping) for one in value):
            total = sum(one["share"] for one in value)
            where = _and([f"{percent(one['share'] / total)} in {_region(one['region'])}" for one in value])
            return f"drawn at random, at most one in a cell of an equal-area lattice, of every shard {where}"
        return f"drawn at random, at most one in a cell of an equal-area lattice: {_region(value)}"
    if mode == "points":
        return f"centred on the points of {value}"
    stride = places.get("stride", pixels)
    overlap = f", one every {stride} pixels, so that neighbours overlap" if stride < pixels else ""
    return f"tiles that cover the polygons of {value}{overlap}"


def _region(region: str | list[str]) -> str:
    if region == LAND:
        return "all land without Antarctica"
    return region if isinstance(region, str) else _and(region)


def _dates(facts: Facts) -> list[str]:
    """What masks and missing dates come to."""
    description = facts.description
    lines = [
        f"- `{role}{MASK}`: {percent(share)} of the pixels are clear: their probability of cloud is below {CLEAR} %; "
        f"column `{role}_clear` has it by sample" + (" and date." if description.dates > 1 else ".")
        for role, share in facts.clear.items()
    ]
    if lines:
        lines = ["## Clouds", "", *lines, ""]
    if not facts.missing_dates:
        return lines
    every = facts.samples * description.dates
    lines += ["## Dates without pixels", ""]
    lines.append(
        f"{facts.missing_dates.total():,} of {every:,} dates of places that have others; the column `missing_dates` "
        "has the reasons, and the arrays are nodata there."
    )
    counts = [(reason.words, f"`{reason}`", f"{count:,}") for reason, count in facts.missing_dates.most_common()]
    return [*lines, "", *table(("reason", "code", "dates"), counts, right=(2,))]


def _pairing(facts: Facts) -> list[str]:
    gaps, gap = facts.pairing.gaps, first_gap(facts.description)
    if not gaps or gap is None:
        return []
    span, (_, role, near) = range(0, max(gaps) + BIN, BIN), gap
    counted = "samples" if facts.description.dates == 1 else "dates of samples"
    lines = ["## Time between the two acquisitions", ""]
    lines += [f"Hours between the starts of `{near}` and `{role}`, {counted}, share:", ""]
    lines += bars([(f"{start}-{start + BIN} h", gaps[start]) for start in span])
    tried, rates = facts.pairing.tried, facts.pairing.within
    matched = ", ".join(f"{days} d {percent(rates[days] / tried)}" for days in LIMITS) if tried else ""
    return [*lines, f"Candidates that a limit of so many days would pair: {matched}.", ""] if tried else lines


def _splits(facts: Facts) -> list[str]:
    shares = facts.description.spec["splits"]
    rows = [
        (
            split,
            f"{count:,}",
            percent(count / facts.samples) if facts.samples else "",
            percent(shares[split]) if split in shares else "",
        )
        for split, count in facts.splits.items()
    ]
    by, dealt = shares.get("by"), {*SPLITS} & {*shares}
    if by is None:
        told = "Blocks of 100 km are in one split as a whole, so that neighbours never are on both sides."
    elif dealt:
        told = f"All places with one value of the column `{by}` are in one split."
    else:
        told = f"They are what the column `{by}` of the file of places says."
    if facts.description.spec["places"].get("stride", facts.description.pixels) < facts.description.pixels:
        told += " No sample overlaps one of another split."
    return [
        "## Splits", "", told, "",
        *table(("split", "samples", "share", "wanted"), rows, right=(1, 2, 3)),
    ]  # fmt: skip


def _labels(facts: Facts) -> list[str]:
    if not facts.description.layers:
        return []
    lines = ["## Labels", "", f"`{_beside(LEGEND)}` has the numbers, names and colours of all classes.", ""]
    for shares in facts.shares:
        lines += _shares(shares)
    for name, layer in facts.description.layers.items():
        for kind in layer.arrays:
            legend = legends_of(kind)
            if isinstance(legend, BitLegend):
                lines += [f"- `{kind.path}`: {len(legend.classes)} classes, class c is bit c - 1 of a pixel"]
            elif legend is None:
                lines += [f"- `{kind.path}` ({name}): measured values in steps of {kind.step or 1:g}"]
    if facts.osm_features is not None:
        lines += [f"- {facts.osm_features:,} features of OpenStreetMap lie on the samples"]
    return [*lines, ""] if lines[-1] else lines


def _shares(found: ClassShares) -> list[str]:
    title = found.layer if found.scheme is None else f"{found.layer}, {found.scheme}"
    ordered = sorted(found.shares.items(), key=lambda item: (-item[1], item[0].index))
    rows: list[tuple[object, ...]] = [(one.index, one.code, one.name, percent(share)) for one, share in ordered]
    if found.nodata:
        rows.append((0, "", "no class", percent(found.nodata)))
    return [
        f"### {title}", "", "Shares of all pixels of the samples; classes that do not occur are left out.", "",
        *table(("stored", "code", "class", "share"), rows, right=(0, 3)),
    ]  # fmt: skip


def _terms(facts: Facts) -> list[str]:
    years = sorted({time.year for time in (facts.first, facts.last) if time is not None})
    terms = terms_of(facts.description, "-".join(map(str, years)))
    rows = [(one.part, one.licence, one.attribution) for one in terms]
    return [
        "## Licences", "",
        "The corpus has the licences of what it is made of. Whoever passes it on, or shows it, names its sources.", "",
        *table(("part", "licence", "attribution"), rows),
    ]  # fmt: skip


def _limits(facts: Facts) -> list[str]:
    description = facts.description
    limits = [one.cloud_cover[1] for one in rules_of(description).values() if one.cloud_cover is not None]
    clouds = f"Clouds of up to {max(limits):g} % of a scene are in the images" if limits else "Clouds are in the images"
    times = "no time series: a sample is what the satellites saw, once each"
    if description.dates > 1:
        times = f"no composite: a sample is what the satellites saw at {description.dates} dates"
    between = (
        ", and between the acquisitions of a sample the land may have changed" if len(description.roles) > 1 else ""
    )
    lines = [
        "## Known limits",
        "",
        f"- It is no map, no mosaic and {times}. {clouds}; no pixel is masked away{between}.",
        "- Sentinel-2 bands of 20 and 60 m are repeated to 10 m, not resampled; reflectance has no +1000 offset.",
        *(f"- {line}" for line in absent_bands(description)),
        *(f"- {line}" for line in _uncovered(facts)),
    ]
    if facts.missing:
        lines.append(f"- {sum(facts.missing.values()):,} places have a row and no pixels:")
        lines += [f"  - {count:,}: {reason.words} (`{reason}`)" for reason, count in facts.missing.most_common()]
    if facts.replaced:
        lines.append(
            f"- Places that cannot be served were replaced by others and are underrepresented: "
            f"{sum(facts.replaced.values()):,} of {facts.pairing.tried:,} candidates."
        )
        lines += [f"  - {count:,}: {reason.words} (`{reason}`)" for reason, count in facts.replaced.most_common()]
    return [*lines, ""]


def _uncovered(facts: Facts) -> Iterator[str]:
    for one in facts.shares:
        if one.nodata:
            name = one.layer if one.scheme is None else f"{one.layer}, {one.scheme}"
            yield f"Labels of {name} leave out {percent(one.nodata)} of the pixels, which are 0 there."


def _making(facts: Facts) -> list[str]:
    description = facts.description
    order = list(CorpusSpec.model_fields)
    spec = {key: description.spec[key] for key in sorted(description.spec, key=order.index)}
    places = {key: value for key, value in spec["places"].items() if key != "digest"}
    digest = description.spec["places"]["digest"]
    commit = git_commit()
    return [
        "## How it was made", "",
        "By DeepSentinel from this spec. Destinations are no part of a corpus; of local files it keeps the names, and "
        f"of its places the digest `{digest}`.", "",
        "```yaml", yaml.safe_dump(spec | {"places": places}, sort_keys=False, allow_unicode=True).rstrip(), "```", "",
        "A shard is a pure function of spec, number and what the platforms hold: building it again gives the same "
        f"bytes. `{CORPUS}` says by which versions it was begun:", "",
        *table(("software", "version"), sorted(description.software.items())),
        f"Released by {NAME} {version(NAME)}" + (f", git commit `{commit}`." if commit else "."), "",
    ]  # fmt: skip


def _beside(path: str) -> str:
    """A file of the release as the card refers to it, which lies there too."""
    return path.removeprefix(f"{RELEASE}/")


def _and(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last

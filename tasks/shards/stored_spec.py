"""What `corpus.json` keeps of a spec, and how two such are compared."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasks.shards.layout import OSM
from tasks.spec import CorpusSpec
from tasks.spec.acquisitions import Acquisition
from tasks.spec.locations import is_url
from tasks.spec.parts import Pairing

_MODES = ("random", "cover", "points")

_FILES = ("corine", "osm_classes", "raster", "vectors")
"""Keys of sources of labels that name files; their digests are in what the layers say of themselves."""

_MAY_CHANGE = ("size",)
"""Keys of the spec that a later build may give another value; destinations, and what is accepted, are not recorded."""


def stored_spec(spec: CorpusSpec, *, places: str) -> dict[str, Any]:
    """The spec with all defaults, without destinations, with the digest of the places, and of local files no more than
    their names: the corpus is the same wherever they lie."""
    content = spec.model_dump(mode="json", exclude={"destinations", "accept"}, exclude_none=True)
    if (shorthand := spec.as_pairing) is None:
        del content["pairing"]
    else:
        # The same roles are the same corpus, however they are written.
        content["pairing"] = shorthand.model_dump(mode="json", exclude_none=True)
        content.pop("acquisitions", None)
    for mode in _MODES:
        if _is_places_file(mode, content["places"].get(mode)):
            content["places"][mode] = _end(content["places"][mode], 1)
    for stratum in _strata(content["places"].get("random")):
        if _is_places_file("random", stratum["region"]):
            stratum["region"] = _end(stratum["region"], 1)
    for item in content["platforms"]:
        # Of a catalogue its folder's name too: catalogues are called alike.
        for key in ("catalog", "sentinel1_catalog"):
            if not isinstance(item, str) and _is_local(item["stac"].get(key)):
                item["stac"][key] = _end(item["stac"][key], 2)
    described = [source for item in content["labels"] if not isinstance(item, str) for source in item.values()]
    for sources in (content.get("sources", {}), *described):
        for name, location in sources.items():
            if name in _FILES and _is_local(location):
                sources[name] = _end(location, 1)
    content["places"]["digest"] = places
    return content


def platform_names(spec: dict[str, Any]) -> list[str]:
    """Names of the platforms of a stored spec, in its order."""
    return [item if isinstance(item, str) else str(item["stac"]["name"]) for item in spec["platforms"]]


def stored_roles(spec: Mapping[str, Any], names: Iterable[str]) -> dict[str, Acquisition]:
    """What a stored spec asks of each of the roles `names`, in their order."""
    if "acquisitions" in spec:
        return {name: Acquisition.model_validate_json(json.dumps(spec["acquisitions"][name])) for name in names}
    pairing = Pairing.model_construct(**spec.get("pairing", {}))
    most = pairing.max_cloud_cover
    plain = {
        "s2": Acquisition.model_construct(
            search_days=pairing.search_days, cloud_cover=None if most is None else (0.0, most)
        ),
        "s1": Acquisition.model_construct(near="s2", max_days=pairing.max_gap_days),
    }
    return {name: plain[name] for name in names}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Where two stored specs contradict each other, in words: what the corpus has, and what the spec."""
    both = {*platform_names(before)} & {*platform_names(after)}
    old, new = _flat_spec(before, both), _flat_spec(after, both)
    return [
        f"{key}: the corpus has {_told(key, old)}, the spec {_told(key, new)}"
        for key in sorted({*old, *new})
        if key not in _MAY_CHANGE and _compared(key, old) != _compared(key, new)
    ]


def layer_differences(name: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Where what a corpus was labelled with differs from what the spec gives now, in words.

    How a source is called says nothing: its digest does.
    """
    had, has = (content["facts"].get("extracts", {}) for content in (before, after))
    alone = {*had} ^ {*has}
    lines = [_extract_alone(key, had.get(key), has.get(key)) for key in sorted(alone)]
    old, new = (_flat(content["facts"] | {"arrays": content["arrays"]}) for content in (before, after))
    lines += [
        f"{key}: "
        + ("differs" if key == "arrays" else f"the corpus has {_told(key, old)}, the spec gives {_told(key, new)}")
        for key in sorted({*old, *new})
        if not key.startswith(("named.", *(f"extracts.{one}." for one in alone))) and old.get(key) != new.get(key)
    ]
    return [f"labels: {name}: {line}" for line in lines]


def _extract_alone(key: str, had: dict[str, Any] | None, has: dict[str, Any] | None) -> str:
    """Of an extract that only the corpus or only the store has: which, and what to do."""
    facts = had or has or {}
    which = f"the extract of {facts.get('timestamp') or 'unknown date'} with SHA-256 {facts.get('sha256')}"
    if had is None:
        return f"{which} is in the store and not in the corpus: delete {OSM}/{key}.json to build without it"
    return f"{which} is in the corpus and not in the store: ingest that file again"


def _is_local(location: Any) -> bool:
    return isinstance(location, str) and (not is_url(location) or urlsplit(location).scheme.lower() == "file")


def _is_places_file(mode: str, source: Any) -> bool:
    return _is_local(source) and (mode, source) != ("random", "land")


def _strata(random: Any) -> list[dict[str, Any]]:
    """The strata of random places; none of a region alone."""
    return [item for item in random if isinstance(item, dict)] if isinstance(random, list) else []


def _end(location: str, parts: int) -> str:
    """The last parts of a local path."""
    path = Path(urlsplit(location).path if is_url(location) else location)
    return "/".join(path.relative_to(path.anchor).parts[-parts:]) or "."


def _compared(key: str, flat: dict[str, Any]) -> Any:
    """What has to agree under a key: that there is a local file, not where; the digest tells what places are in it."""
    value = flat.get(key)
    if key == "places.random" and (strata := _strata(value)):
        return [one | {"region": Path} if _is_places_file("random", one["region"]) else one for one in strata]
    group, _, name = key.partition(".")
    local = (
        (group == "places" and name in _MODES and _is_places_file(name, value))
        or (group == "platforms" and name.endswith((".stac.catalog", ".stac.sentinel1_catalog")) and _is_local(value))
        or (group in ("sources", "labels") and key.rpartition(".")[2] in _FILES and _is_local(value))
    )
    return Path if local else value


def _told(key: str, flat: dict[str, Any]) -> str:
    return repr(flat[key]) if key in flat else "nothing"


def _flat_spec(spec: dict[str, Any], platforms: set[str]) -> dict[str, Any]:
    """The values of a spec by keys such as a.b.c; `platforms` are those of which more than the name is told."""
    names = platform_names(spec)
    flat = _flat({key: value for key, value in spec.items() if key not in ("platforms", "labels")})
    labels = [(item, {}) if isinstance(item, str) else next(iter(item.items())) for item in spec["labels"]]
    flat |= {"platforms": names, "labels": [name for name, _ in labels]}
    for name, source in labels:
        flat |= _flat(source, f"labels.{name}.")
    for name, item in zip(names, spec["platforms"], strict=True):
        if name in platforms:
            flat |= {f"platforms.{name}": name} if isinstance(item, str) else _flat(item, f"platforms.{name}.")
    return flat


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as a.b.c."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat

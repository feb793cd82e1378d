"""What a store may hold together, what changes in it, and what an ingest leaves alone."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.doctor.labels import examine_label
from tasks.errors import CorpusError, SpecError
from tasks.labels.opening import layer_notes
from tasks.labels.osm import ingest as ingesting_module
from tasks.labels.osm.ingest import ingest_extract
from tasks.labels.osm.ingesting import ingest_for, notes, refuse_unusable
from tasks.labels.osm.layer import open_osm, scheme_of
from tasks.labels.osm.scheme import OWN
from tasks.labels.osm.store import corpus_at, read_records
from tasks.shards.description import LayerDescription, layer_contradictions
from tasks.shards.destinations import open_destination
from tests.unit.labels.osm.world import MadeExtract, begin_corpus, degrees, ingest, places_of, spec_over

OLD, NEW = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"


def extract(path: Path, *, timestamp: str = OLD, box: float | None = 20_000, **tags: str) -> Path:
    """An extract with one point; its tags make its checksum."""
    made = MadeExtract()
    made.node(0, 0, natural="tree", **tags)
    return made.write(path, timestamp=timestamp, box=box)


def shifted(path: Path, east: float) -> Path:
    """A newer extract as large as the others, so many metres to the east."""
    return MadeExtract(lambda x, y: degrees(x + east, y)).write(path, timestamp=NEW)


def write_poly(path: Path, half: float) -> None:
    """A square border, so many metres from its middle to its sides."""
    corners = [(-half, -half), (half, -half), (half, half), (-half, half), (-half, -half)]
    ring = "\n".join(f"  {lon} {lat}" for lon, lat in (degrees(x, y) for x, y in corners))
    path.write_text(f"made\n1\n{ring}\nEND\nEND\n")


@pytest.mark.parametrize("box", [20_000, 15_000])
def test_two_versions_of_one_region_are_refused_and_told_of_after_the_ingest(tmp_path: Path, box: float) -> None:
    spec = spec_over(tmp_path)
    found = ingest(
        spec, extract(tmp_path / "x-240101.osm.pbf"), extract(tmp_path / "x-250101.osm.pbf", timestamp=NEW, box=box)
    )
    with pytest.raises(CorpusError, match=r"two versions of one region.*Delete one of these two records") as refused:
        open_osm(spec, places_of(spec))
    for item in found:
        assert f"osm/{item.record.key}.json of {item.record.timestamp}" in str(refused.value)
    assert notes(spec) == [str(refused.value)]
    (tmp_path / "corpus" / "osm" / f"{found[1].record.key}.json").unlink()
    assert notes(spec) == []
    open_osm(spec, places_of(spec))


def test_neighbours_may_be_of_different_dates_and_one_region_of_two_extracts_of_one_date(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    ingest(
        spec,
        extract(tmp_path / "x.osm.pbf"),
        extract(tmp_path / "within-x.osm.pbf", box=15_000),
        shifted(tmp_path / "beside-x.osm.pbf", 38_000),
    )
    assert len(open_osm(spec, places_of(spec)).records) == 3


def test_a_corpus_that_was_begun_with_two_versions_goes_on_with_them(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    ingest(spec, extract(tmp_path / "x-240101.osm.pbf"))
    layer = open_osm(spec, places_of(spec))
    ingest(spec, extract(tmp_path / "x-250101.osm.pbf", timestamp=NEW))
    begin_corpus(spec, layer)
    with pytest.raises(CorpusError, match="two versions of one region"):
        open_osm(spec, places_of(spec))
    begin_corpus(spec, replace(layer, records=read_records(layer.store)))
    assert len(open_osm(spec, places_of(spec)).records) == 2


def test_a_border_put_beside_an_ingested_extract_counts_after_another_ingest_without_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_over(tmp_path, destinations=[str(tmp_path / name) for name in "ab"])
    path = extract(tmp_path / "x.osm.pbf", box=600)
    with_box = ingest(spec, path)[0].record
    with pytest.raises(SpecError, match=r"ingested without a \.poly file beside them"):
        open_osm(spec, places_of(spec))
    write_poly(tmp_path / "x.poly", 19_000)
    monkeypatch.setattr(ingesting_module, "features_of", None)
    (again,) = ingest(spec, path)
    assert "where it holds is recorded anew, from: polygon" in again.lines("x")[1]
    layer = open_osm(spec, places_of(spec))
    assert (tmp_path / "a" / "osm" / f"{again.record.key}.json").read_bytes() == (
        tmp_path / "b" / "osm" / f"{again.record.key}.json"
    ).read_bytes()
    assert again.record.shards == with_box.shards
    assert ingest(spec, path)[0].bordered is False, "it is the same now"
    begin_corpus(spec, layer)
    write_poly(tmp_path / "x.poly", 18_000)
    ingest(spec, path)
    other = LayerDescription(arrays=layer.arrays, facts=open_osm(spec, places_of(spec)).describe())
    held = corpus_at(layer.store)
    assert held
    (told,) = layer_contradictions(held, {"osm": other})
    border = rf"extracts\.{again.record.key}\.border"
    assert re.search(rf"{border}: the corpus has 'polygon \w+', the spec gives 'polygon", told)


@pytest.mark.parametrize(
    ("changes", "told"), [({"sources": "own"}, "has other classes"), ({"shard_size": 1}, "has other places")]
)
def test_an_ingest_leaves_alone_the_store_of_a_corpus_of_other_classes_or_places(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    spec = spec_over(tmp_path)
    path = extract(tmp_path / "x.osm.pbf")
    refuse_unusable(spec, [path], None)
    ingest_for(spec, path)
    begin_corpus(spec, open_osm(spec, places_of(spec)))
    refuse_unusable(spec, [path], None)
    before = tree(tmp_path / "corpus")
    (tmp_path / "own.yaml").write_text(OWN.read_text().replace("name: residential,", "name: dwellings,"))
    if "sources" in changes:
        changes = {"sources": {"osm_classes": str(tmp_path / "own.yaml")}}
    other = spec_over(tmp_path, **changes)
    for use in (lambda: refuse_unusable(other, [path], None), lambda: ingest_for(other, path)):
        with pytest.raises(SpecError, match=rf"{told}.*ingest elsewhere with --to"):
            use()
    assert tree(tmp_path / "corpus") == before
    refuse_unusable(other.model_copy(update={"destinations": (str(tmp_path / "elsewhere"),)}), [path], None)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_places_that_are_accepted_as_uncovered_are_counted_and_told(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    ingest(spec, extract(tmp_path / "x.osm.pbf", box=600))
    (note,) = notes(spec)
    assert note.startswith("2 places are not wholly within")
    assert "a build is refused" in note
    accepted = spec_over(tmp_path, accept=["uncovered"])
    (note,) = notes(accepted)
    assert "2 places are not wholly within the ingested extracts; the spec accepts that: they are 0 there" in note
    places = places_of(spec)
    (note,) = layer_notes([open_osm(accepted, places)])
    assert "2 places are not wholly within the 1 ingested extracts" in note
    (_, told) = examine_label(accepted.label_items[0], accepted, places, 1)
    assert told.ok
    assert told.found == note


def test_an_ingest_of_other_shards_that_ends_meanwhile_is_not_forgotten(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    path = extract(tmp_path / "x.osm.pbf")
    places = places_of(spec)
    both: dict[str, Any] = {
        "places": places,
        "scheme": scheme_of(spec),
        "destinations": [open_destination(location) for location in spec.destinations],
    }
    others = [1]

    def told_in_the_middle_of_the_pass(done: int, total: int) -> None:
        if others:
            ingest_extract(path, shards=[others.pop()], **both)

    found = ingest_extract(path, shards=[0], progress=told_in_the_middle_of_the_pass, **both)
    assert sorted(found.record.shards) == ["0", "1"]
    assert open_osm(spec, places)

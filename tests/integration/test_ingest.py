"""`deepsentinel ingest` over the invented country's extract."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.labels.osm.layer import open_osm
from tasks.places.opening import open_places
from tasks.spec import load_spec
from tests.integration.conftest import Ended, tree
from tests.unit.labels.osm.world import MadeExtract

pytestmark = pytest.mark.usefixtures("prefect_here")

Spec = Callable[..., Path]
Run = Callable[..., Ended]


@pytest.fixture
def extract(archive: Path) -> Path:
    return next(archive.rglob("*.osm.pbf"))


def test_an_extract_is_ingested_and_its_labels_are_there(here: Run, write_spec: Spec, extract: Path) -> None:
    path = write_spec(labels="[osm]")
    ended = here("ingest", path, extract)
    assert ended.code == 0, ended.output
    assert "© OpenStreetMap contributors, ODbL 1.0" in ended.output
    assert "polygons with a class" in ended.output
    assert "not drawn" not in ended.output, "the invented country has no broken areas"
    spec = load_spec(path)
    places = open_places(spec)
    layer = open_osm(spec, places)
    found = layer.render(places.draws(0).patches, 0)
    for kind in ("line", "polygon"):
        assert (found[f"labels/osm_{kind}"] != 0).any()
    assert (found["osm_features"] > 0).any()


def test_ingest_in_two_steps_gives_the_same_store(here: Run, write_spec: Spec, extract: Path, tmp_path: Path) -> None:
    path = write_spec(labels="[osm]")
    assert here("ingest", path, extract, "--to", tmp_path / "a").code == 0
    assert here("ingest", path, extract, "--to", tmp_path / "b", "--shards", "0:2").code == 0
    assert here("ingest", path, extract, "--to", tmp_path / "b", "--shards", "2:4").code == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    again = here("ingest", path, extract, "--to", tmp_path / "b")
    assert "is in the store already, for 4 shards" in again.output


def test_a_corpus_grows_with_its_extract_and_is_built_with_no_other(
    here: Run, write_spec: Spec, extract: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    path = write_spec(labels="[osm]", size=4)
    assert here("ingest", path, extract, "--shards", "0:1").code == 0
    early = here("build", path)
    assert early.code == 1
    assert "was ingested for 1 shards; 1 lack it" in early.output
    assert here("build", path, "--size", "2").code == 0
    assert here("ingest", path, extract).code == 0
    other = MadeExtract().write(tmp_path / "later.osm.pbf", timestamp="2025-05-05T00:00:00Z")
    sha256 = hashlib.sha256(other.read_bytes()).hexdigest()
    assert here("ingest", path, other).code == 0
    refused = here("build", path)
    assert refused.code == 2
    assert f"the extract of 2025-05-05T00:00:00Z with SHA-256 {sha256} is in the store and not" in refused.output
    assert f"delete osm/{sha256[:16]}.json to build without it" in refused.output
    (corpus / "osm" / f"{sha256[:16]}.json").unlink()
    assert here("build", path).code == 0


def test_what_cannot_be_used_is_told_before_anything_begins(
    here: Run, write_spec: Spec, extract: Path, tmp_path: Path
) -> None:
    no_osm = here("ingest", write_spec(), extract)
    assert no_osm.code == 2
    assert "Write labels: [osm]" in no_osm.output
    path = write_spec(labels="[osm]")
    (tmp_path / "page.osm.pbf").write_text("<html>")
    page = here("ingest", path, extract, tmp_path / "page.osm.pbf")
    assert page.code == 1
    assert "is not an .osm.pbf" in page.output
    assert "is the same extract as" in here("ingest", path, extract, extract).output
    assert "the corpus has shards 0:4" in here("ingest", path, extract, "--shards", "0:9").output
    assert not (tmp_path / "corpus" / "osm").exists()


def test_a_truncated_extract_leaves_nothing_that_counts(
    here: Run, write_spec: Spec, extract: Path, tmp_path: Path
) -> None:
    content = extract.read_bytes()
    (tmp_path / "short.osm.pbf").write_bytes(content[: len(content) * 2 // 3])
    ended = here("ingest", write_spec(labels="[osm]"), tmp_path / "short.osm.pbf")
    assert ended.code == 1
    assert "truncated or damaged" in ended.output
    assert not list((tmp_path / "corpus").glob("osm/*.json"))

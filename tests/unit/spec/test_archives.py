"""Public archives that a spec names by a word."""

import pytest
from pydantic import ValidationError

from tasks.shards.stored_spec import stored_spec
from tasks.spec import StacSource
from tasks.spec.archives import ARCHIVES, terms_of
from tests.unit.builders import spec_over


def source(**keys: object) -> StacSource:
    return StacSource.model_validate(keys)


def test_a_name_stands_for_keys_that_could_be_written_out() -> None:
    named = source(catalog="planetary-computer")
    written = source(
        catalog="https://planetarycomputer.microsoft.com/api/stac/v1",
        sentinel2="sentinel-2-l2a",
        sentinel1="sentinel-1-rtc",
        backscatter="power",
        signatures="https://planetarycomputer.microsoft.com/api/sas/v1/token",
    )
    assert named == written
    assert StacSource.model_validate(named.model_dump()) == named


def test_each_sensor_may_come_from_another_archive() -> None:
    found = source(catalog="earth-search", sentinel1_catalog="planetary-computer")
    assert (found.catalog, found.sentinel2) == (ARCHIVES["earth-search"].catalog, "sentinel-2-c1-l2a")
    assert (found.radar_catalog, found.sentinel1) == (ARCHIVES["planetary-computer"].catalog, "sentinel-1-rtc")
    assert (found.backscatter, found.signatures is not None) == ("power", True)


def test_keys_that_are_written_come_first() -> None:
    assert source(catalog="planetary-computer", sentinel2="other").sentinel2 == "other"
    assert source(catalog="earth-search", sentinel1="mine", backscatter="db").sentinel1 == "mine"


@pytest.mark.parametrize("name", ["earth-search", "copernicus"])
def test_an_archive_without_calibrated_backscatter_says_where_it_is_to_be_had(name: str) -> None:
    with pytest.raises(ValidationError, match=r"only digital numbers of GRD; .*sentinel1_catalog: planetary-computer"):
        source(catalog=name)


def test_a_server_of_signatures_is_a_url_without_a_credential() -> None:
    for url in ("/a/b", "https://a/b?sig=x"):
        with pytest.raises(ValidationError):
            source(catalog="https://a", signatures=url)


def test_terms_of_archives_are_told_once() -> None:
    catalogs = [archive.catalog for archive in ARCHIVES.values()]
    assert terms_of([*catalogs, *catalogs, "/a/catalog.json"]) == (
        "Sentinel-1 RTC made by Catalyst and hosted by Microsoft: CC BY 4.0",
    )


def test_a_corpus_keeps_what_a_name_stands_for_and_nothing_new_of_specs_that_name_none(tmp_path) -> None:
    stored = stored_spec(spec_over(tmp_path), places="")["platforms"][0]["stac"]
    assert set(stored) == {"catalog", "sentinel2", "sentinel1", "backscatter", "name"}
    spec = spec_over(tmp_path, platforms=[{"stac": {"catalog": "planetary-computer"}}])
    assert stored_spec(spec, places="")["platforms"][0]["stac"]["catalog"].startswith("https://")

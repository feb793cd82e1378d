"""Signatures: asked for just before reading, once, renewed when they expire, and never told to anyone."""

import datetime as dt
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import CredentialsError
from tasks.imagery.platform import Traffic
from tasks.imagery.stac import StacSettings, signing
from tasks.imagery.stac.signing import AzureSignatures, S3Keys, container_of, signer_of
from tasks.imagery.stac.transport import Transport
from tasks.spec import StacSource
from tests.archive import RESOLUTION, Archive, at, decibels
from tests.servers.cogs import Cogs
from tests.servers.signatures import Signatures
from tests.servers.stac_api import StacApi, send, serving
from tests.unit.imagery.stac.opening import PATCH, expected_s2, fetched, found_pair, opened_at, s1_of, s2_of
from tests.unit.imagery.stac.test_search import as_dicts


@pytest.fixture
def server() -> Iterator[tuple[Signatures, str]]:
    signatures = Signatures()
    with serving(signatures) as url:
        yield signatures, f"{url}/token"


def signer(url: str, *, patience: float = 5, key: str | None = None) -> AzureSignatures:
    return AzureSignatures(url, Transport(deadline=2, patience=patience), key=key)


FILE = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/10/T/ES/B04.tif"


# Which addresses


@pytest.mark.parametrize(
    ("address", "container"),
    [
        (FILE, ("sentinel2l2a01", "sentinel2-l2")),
        ("http://127.0.0.1:10000/account/container/a/b.tif", ("account", "container")),
        ("https://sentinel-cogs.s3.us-west-2.amazonaws.com/a/b.tif", None),
        ("https://blob.core.windows.net.example.org/a/b.tif", None),
        ("https://account.blob.core.windows.net/", None),
    ],
)
def test_files_in_azures_stores_are_signed_and_no_others(address: str, container: tuple[str, str] | None) -> None:
    assert container_of(address) == container


def test_an_address_of_azure_gets_the_signature_of_its_container(server: tuple[Signatures, str]) -> None:
    signatures, url = server
    sign = signer(url, key="K")
    assert sign(FILE, renew=False).address == f"{FILE}?sig=1&secret=SECRET"
    assert sign(f"{FILE}?sig=old", renew=False).address == f"{FILE}?sig=1&secret=SECRET", (
        "it is kept, and the old one gone"
    )
    assert sign("abfs://sentinel2-l2@sentinel2l2a01.dfs.core.windows.net/a.tif", renew=False).address.endswith(
        "sig=1&secret=SECRET"
    )
    assert signatures.asked == ["/token/sentinel2l2a01/sentinel2-l2"]
    assert signatures.headers == ["K"]
    assert sign("https://example.org/a.tif", renew=False).address == "https://example.org/a.tif"


# When


def test_many_threads_ask_once(server: tuple[Signatures, str]) -> None:
    signatures, url = server
    sign = signer(url)
    with ThreadPoolExecutor(16) as threads:
        found = {signed.address for signed in threads.map(lambda _: sign(FILE, renew=False), range(64))}
        again = {signed.address for signed in threads.map(lambda _: sign(FILE, renew=True), range(64))}
    assert len(found | again) == len(signatures.asked) == 1, "one that is seconds old is not what expired"


def test_many_threads_are_patient_together_where_no_signature_is_to_be_had(server: tuple[Signatures, str]) -> None:
    signatures, url = server
    signatures.failures[:] = [503] * 1000
    sign = signer(url, patience=0.5)

    def failed(_: int) -> str:
        with pytest.raises(CredentialsError, match="503") as caught:
            sign(FILE, renew=False)
        return str(caught.value)

    began = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        assert len({*threads.map(failed, range(16))}) == 1
    assert time.monotonic() - began < 3, "and not one after the other, half a second each"
    signatures.failures.clear()
    assert "sig=" in sign(FILE, renew=False).address, "it is not remembered"


def test_a_signature_that_is_about_to_expire_is_not_used(server: tuple[Signatures, str]) -> None:
    signatures, url = server
    signatures.seconds = 30
    sign = signer(url)
    sign(FILE, renew=False)
    signatures.seconds = 3600
    assert [sign(FILE, renew=False).address[-17:] for _ in range(2)] == ["sig=2&secret=SECRET"[-17:]] * 2
    assert len(signatures.asked) == 2


def test_one_that_was_refused_is_renewed(server: tuple[Signatures, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_YOUNG", 0.0)
    sign = signer(server[1])
    assert "sig=1" in sign(FILE, renew=False).address
    assert "sig=2" in sign(FILE, renew=True).address


def test_a_server_that_is_busy_is_asked_again(server: tuple[Signatures, str]) -> None:
    server[0].failures[:] = [503, 429]
    assert "sig=3" in signer(server[1])(FILE, renew=False).address


def test_a_server_that_gives_none_is_told_without_what_it_said() -> None:
    def answer(handler: Any) -> None:
        send(handler, b'{"token": "sig=SECRET"}' if "token" in handler.path else b"", code=200)

    with serving(answer) as url, pytest.raises(CredentialsError, match="is no signature") as caught:
        signer(f"{url}/token")(FILE, renew=False)
    assert "SECRET" not in str(caught.value)
    with serving(lambda handler: send(handler, b"", code=403)) as url, pytest.raises(CredentialsError, match="403"):
        signer(url)(FILE, renew=False)


# With keys of an account


def test_s3_addresses_are_signed_as_amazon_documents_it() -> None:
    # Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters", example.
    keys = S3Keys(
        endpoint="https://examplebucket.s3.amazonaws.com",
        key="AKIAIOSFODNN7EXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
    )
    signed = keys.signed("/test.txt", dt.datetime(2013, 5, 24, tzinfo=dt.UTC), 86_400)
    assert signed.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    assert "wJalr" not in repr(keys)


def test_an_archive_whose_files_need_keys_says_which_settings_they_are() -> None:
    source = StacSource.model_validate({"catalog": "copernicus", "sentinel1_catalog": "planetary-computer"})
    sign = signer_of(source, StacSettings(), Transport())
    with pytest.raises(CredentialsError, match="DEEPSENTINEL_STAC_S3_KEY and DEEPSENTINEL_STAC_S3_SECRET"):
        sign("s3://eodata/Sentinel-2/B04.jp2", renew=False)
    settings = StacSettings.model_validate({"stac_s3_key": "K", "stac_s3_secret": "S"})
    address = signer_of(source, settings, Transport())("s3://eodata/Sentinel-2/B04.jp2", renew=False).address
    assert address.startswith("https://eodata.dataspace.copernicus.eu/eodata/Sentinel-2/B04.jp2?X-Amz-Algorithm=")


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://s3.eu-central-1.amazonaws.com", "eu-central-1"),
        ("https://s3.amazonaws.com", "us-east-1"),
        ("https://eodata.dataspace.copernicus.eu", "default"),
    ],
)
def test_a_store_is_signed_for_in_its_region(endpoint: str, region: str) -> None:
    source = StacSource(catalog="https://example.org", s3=endpoint)
    settings = StacSettings.model_validate({"stac_s3_key": "K", "stac_s3_secret": "S"})
    address = signer_of(source, settings, Transport())("s3://bucket/a.jp2", renew=False).address
    assert address.startswith(f"{endpoint}/bucket/a.jp2?")
    assert f"%2F{region}%2Fs3%2Faws4_request" in address


def test_where_the_reader_pays_that_is_part_of_what_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = StacSource(catalog="https://example.org", s3="https://s3.eu-central-1.amazonaws.com")
    settings = StacSettings.model_validate({"stac_s3_key": "K", "stac_s3_secret": "S"})
    sign = signer_of(source, settings, Transport())
    assert "payer" not in sign("s3://bucket/a.jp2", renew=False).address
    monkeypatch.setenv("AWS_REQUEST_PAYER", "requester")
    address = sign("s3://bucket/a.jp2", renew=False).address
    # In the order of code points, in which the signature is over it.
    assert "&X-Amz-SignedHeaders=host&x-amz-request-payer=requester&X-Amz-Signature=" in address
    at = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    pays, does_not = (S3Keys(endpoint="https://s3.a", key="K", secret="S", pays=pays) for pays in (True, False))
    assert pays.signed("/b/a", at)[-64:] != does_not.signed("/b/a", at)[-64:]


# Two catalogues, one of which signs: what earth-search-100.yaml asks for


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "account" / "container")
    archive.sentinel2("S2A_x", "2023-06-03T10:40:21Z", scene=1, offset=1000, **{"s2:processing_baseline": "05.10"})
    archive.sentinel1("S1A_y", "2023-06-04T05:30:00Z", scene=2, power=True)
    return archive


def test_sensors_of_two_catalogues_are_read_together_and_expired_signatures_renewed(
    archive: Archive, server: tuple[Signatures, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(signing, "_YOUNG", 0.0)
    caplog.set_level(logging.DEBUG)
    signatures, address = server
    files = Cogs(archive.root.parent.parent, until=1)
    with serving(files) as url:
        held = as_dicts(archive, f"{url}/account/container/")
        optical = StacApi({"sentinel-2-c1-l2a": _in(held["sentinel-2-l2a"], "sentinel-2-c1-l2a")})
        radar = StacApi({"sentinel-1-rtc": _in(held["sentinel-1-grd"], "sentinel-1-rtc")})
        with optical.running() as first, radar.running() as second:
            platform = opened_at(
                first,
                sentinel1_catalog=second,
                sentinel2="sentinel-2-c1-l2a",
                sentinel1="sentinel-1-rtc",
                backscatter="power",
                signatures=address,
                patience=5,
            )
            tiles = fetched(platform)
            assert np.array_equal(s2_of(tiles), expected_s2(1))
            expected = np.stack([decibels(2, index, *at(PATCH, RESOLUTION["B02"])) for index in (0, 1)])
            assert s1_of(tiles) == pytest.approx(expected, abs=1e-3)
            assert len(signatures.asked) == 1
            pair = found_pair(platform)
            platform.close()
            files.until = 2
            assert np.array_equal(s2_of(platform.fetch(PATCH, pair, Traffic())), expected_s2(1))
            assert len(signatures.asked) >= 2
            platform.close()
            files.until = 10_000
            with pytest.raises(CredentialsError) as caught:
                platform.fetch(PATCH, pair, Traffic())
    assert {tuple(search["collections"]) for search in optical.searches} == {("sentinel-2-c1-l2a",)}
    assert {tuple(search["collections"]) for search in radar.searches} == {("sentinel-1-rtc",)}
    for told in (caplog.text, str(caught.value), repr(platform.__dict__)):
        assert "SECRET" not in told


def _in(items: list[dict[str, Any]], collection: str) -> list[dict[str, Any]]:
    return [one | {"collection": collection} for one in items]

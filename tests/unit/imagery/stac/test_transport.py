"""Requests to a catalogue: a host that is not there at all is not waited for."""

import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tasks.errors import PlatformUnreachable
from tasks.imagery.stac.transport import ApiIO, Transport
from tests.servers.stac_api import Files, serving

ADDRESS = "http://catalog.example.invalid/stac"


def names_fail(monkeypatch: pytest.MonkeyPatch, error: int) -> list[str]:
    """Have the name service answer with an error; the hosts that were asked for."""
    asked: list[str] = []

    def look_up(host: str, *_: Any, **__: Any) -> NoReturn:
        asked.append(host)
        raise socket.gaierror(error, "the system's words")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_mistyped_host_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names_fail(monkeypatch, socket.EAI_NONAME)
    with pytest.raises(PlatformUnreachable, match=r"catalog\.example\.invalid/stac: there is no such host.*address"):
        ApiIO(Transport(patience=60)).request(ADDRESS)
    assert len(asked) == 1


def test_a_name_service_out_of_reach_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names_fail(monkeypatch, socket.EAI_AGAIN)
    with pytest.raises(PlatformUnreachable, match="out of reach after"):
        ApiIO(Transport(patience=1)).request(ADDRESS)
    assert len(asked) > 1


def test_a_host_that_has_answered_before_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.json").write_text("{}")
    with serving(Files(tmp_path)) as url:
        reader = ApiIO(Transport(patience=1))
        assert reader.request(f"{url}/catalog.json") == "{}"
    reader.session.close()
    asked = names_fail(monkeypatch, socket.EAI_NONAME)
    with pytest.raises(PlatformUnreachable, match="out of reach after"):
        reader.request(f"{url}/catalog.json")
    assert len(asked) > 1

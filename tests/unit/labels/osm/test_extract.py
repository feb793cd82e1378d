"""What an extract says of itself."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tasks.labels.osm.extract import open_extract
from tests.unit.labels.osm.world import MadeExtract


def test_a_file_is_read_for_its_checksum_once_while_it_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def file_digest(file: Any, name: str) -> Any:
        read.append(file.name)
        return hashlib.new(name, file.read())

    monkeypatch.setattr(hashlib, "file_digest", file_digest)
    path = MadeExtract().write(tmp_path / "x.osm.pbf")
    assert open_extract(path) == open_extract(path)
    assert read == [str(path)]
    path.unlink()
    MadeExtract().write(path, timestamp="2025-01-01T00:00:00Z")
    assert open_extract(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(read) == 2
    path.with_name("x.poly").write_text("x\n1\n 0 0\n 1 0\n 1 1\nEND\nEND\n")
    assert open_extract(path).border_from == "polygon"
    assert len(read) == 2

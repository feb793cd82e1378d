"""The house: which room may know of which, read from the import statements of every module."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ROOMS = {
    "errors": 0, "notices": 0, "spec": 1, "settings": 2, "places": 2, "scenes": 3,
    "imagery": 4, "labels": 4, "shards": 4,
    "assembly": 5, "release": 5, "published": 5, "planning": 6, "doctor": 6,
}  # fmt: skip
"""Rooms by level: one knows of those below it, and of those beside it if these do not know of it in turn."""

APART = {
    "demo": {"errors", "spec"},
    "training": {"errors", "notices", "settings", "spec", "places", "scenes", "shards"},
}
"""Rooms outside the order, and what each may know of."""

PLATFORMS = {"earthengine": {"ee"}, "descarteslabs": {"earthdaily"}, "stac": {"pystac", "pystac_client", "rasterio"}}
"""Folders of the platforms and their clients."""


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def imported(path: Path) -> tuple[tuple[str, bool], ...]:
    """What a module imports with full names, and whether as soon as it is imported itself."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(path.read_text(), str(path))
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, id(node) not in late
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where things live"
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield (whole if _is_module(whole) else str(node.module)), id(node) not in late


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def room_of(module: str) -> str | None:
    """The room of a module of tasks; a module directly in tasks that is no wrapper is a room of its own."""
    parts = module.split(".")
    return parts[1] if parts[0] == "tasks" and len(parts) > 1 else None


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


WRAPPERS = {f"tasks.{path.stem}" for path in (ROOT / "tasks").glob("*.py") if path.stem not in ("__init__", *ROOMS)}
"""The thin modules around what Prefect runs."""

RULED = [path for path in modules("tasks") if room_of(name_of(path)) and name_of(path) not in WRAPPERS]
"""Modules of rooms."""


def told(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {path.parent.name for path in (ROOT / "tasks").glob("*/__init__.py")}
    assert rooms <= {*ROOMS, *APART}, "a new room: say in ROOMS where it stands"
    assert {room_of(name_of(path)) for path in RULED} == rooms | {"errors", "notices", "settings"}


def test_no_room_knows_prefect_the_flows_or_the_wrappers() -> None:
    wrong = [
        f"{told(path)} imports {name}"
        for path in RULED
        for name, _ in imported(path)
        if name.split(".")[0] in ("prefect", "flows") or name in WRAPPERS
    ]
    assert not wrong


def test_arrows_point_one_way() -> None:
    wrong: list[str] = []
    for path in RULED:
        own = str(room_of(name_of(path)))
        others = {str(room_of(name)) for name, _ in imported(path)} - {own, "None"}
        below = APART.get(own) or {room for room, level in ROOMS.items() if level <= ROOMS[own]}
        wrong += [f"{told(path)} knows {other}" for other in sorted(others - below)]
    assert not wrong


def test_rooms_beside_each_other_do_not_know_each_other_in_turn() -> None:
    knows: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path in RULED:
        own = room_of(name_of(path))
        if own in ROOMS:
            knows[own] |= {str(room) for name, _ in imported(path) if (room := room_of(name)) in ROOMS and room != own}
    seen: list[str] = []

    def walk(room: str) -> None:
        assert room not in seen, f"a circle: {' -> '.join([*seen[seen.index(room) :], room])}"
        seen.append(room)
        for other in sorted(knows[room]):
            walk(other)
        seen.pop()

    for room in ROOMS:
        walk(room)


def test_a_platform_and_its_client_are_known_in_its_own_folder_alone() -> None:
    wrong: list[str] = []
    for path in (*RULED, *modules("flows")):
        for folder, clients in PLATFORMS.items():
            if f"imagery/{folder}/" in path.as_posix():
                continue
            if folder == "stac":  # catalogues and rasters are written elsewhere too
                clients = set[str]()
            wrong += [
                f"{told(path)} imports {name}"
                for name, _ in imported(path)
                # Headers of GeoTIFFs are read of published files too, whose owners have no archive.
                if (name.startswith(f"tasks.imagery.{folder}") and "stac.cogs" not in name)
                or name.split(".")[0] in clients
            ]
    assert not wrong, "platforms are found by their registry"


@pytest.mark.parametrize("folder", PLATFORMS)
def test_a_platforms_package_can_be_looked_at_without_its_client(folder: str) -> None:
    package = ROOT / "tasks/imagery" / folder
    waiting, seen = [f"tasks.imagery.{folder}"], set[str]()
    while waiting:
        module = waiting.pop()
        if module in seen or not module.startswith(f"tasks.imagery.{folder}"):
            assert module.split(".")[0] not in PLATFORMS[folder], f"imported at once: {module}"
            continue
        seen.add(module)
        path = ROOT / module.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        waiting += [name for name, at_once in imported(path) if at_once]
    for name in ("settings", "cost", "catalogue", "scenes", "pixels", "refusals", "platform"):
        assert (package / f"{name}.py").exists(), "the three have the same file names"


def test_the_wrappers_are_thin() -> None:
    for name in WRAPPERS:
        path = ROOT / f"{name.replace('.', '/')}.py"
        names = [found for found, _ in imported(path)]
        assert "prefect" in {found.split(".")[0] for found in names}, f"{name}: is no wrapper, so it belongs in a room"
        assert len(path.read_text().splitlines()) <= 40, f"{name}: what it does belongs in a room"


def test_no_module_of_the_flows_bears_the_name_of_a_library() -> None:
    """Prefect puts that folder on the path of a run."""
    taken = {name.split(".")[0] for path in (*modules("tasks"), *modules("flows")) for name, _ in imported(path)}
    for path in (ROOT / "flows").iterdir():
        assert path.stem not in taken - {"flows", "tasks"}, f"{path.stem} would stand in for a library"


@pytest.mark.parametrize("name", ["status", "verify", "planning"])
def test_commands_that_do_not_build_do_not_import_prefect(name: str) -> None:
    waiting, seen = [f"flows.command.{name}", "flows.command.cli"], set[str]()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        assert module.split(".")[0] != "prefect", f"flows.command.{name} leads to Prefect"
        path = ROOT / module.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.exists() and module.split(".")[0] in ("flows", "tasks"):
            waiting += [found for found, at_once in imported(path) if at_once]

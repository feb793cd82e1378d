"""Static catalogues: files that name each other by links, each followed once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pystac
from pystac import Catalog, Collection, Item

from tasks.errors import CatalogueError, DeepSentinelError
from tasks.imagery.stac.items import Records, records_of_items
from tasks.imagery.stac.refusals import UNREADABLE, short, without_query
from tasks.imagery.stac.transport import StaticIO
from tasks.notices import Say
from tasks.spec.locations import is_url

_DEEPEST = 64
"""Catalogues below each other; those of archives are some five deep (mission, tile, year, month, day)."""


def catalogue_file(location: str) -> str:
    """The file of a catalogue that may be given by its folder."""
    if not is_url(location) and Path(location).is_dir():
        return str(Path(location) / "catalog.json")
    return location


def read_static(location: str, names: list[str], static_io: StaticIO, say: Say) -> dict[str, Records]:
    """The items of some collections of the catalogue at `location`, wherever they lie below them.

    Raises CatalogueError: it has no such collection, a link leads nowhere, or an item cannot be read;
    PlatformUnreachable.
    """
    tree = _Tree(location=location, static_io=static_io, say=say)
    held = {node.catalog.id: node for node in tree.below(tree.root()) if isinstance(node.catalog, Collection)}
    for name in names:
        if name not in held:
            raise CatalogueError(
                f"{location}: has no collection {name!r}; it has {', '.join(sorted(held)) or 'none'}. "
                "Name them in the spec with sentinel2, sentinel2_b10 and sentinel1."
            )
    return {name: records_of_items(tree.items(held[name])) for name in names}


@dataclass(frozen=True, kw_only=True)
class _Node:
    """A catalogue, and the addresses of those above it, its own last."""

    catalog: Catalog
    path: tuple[str, ...]


@dataclass(kw_only=True)
class _Tree:
    """The catalogues and items that a root leads to; what was read once is kept."""

    location: str
    static_io: StaticIO
    say: Say
    _top: Catalog | None = None
    _read: int = 0
    _known: set[str] = field(default_factory=set[str])

    def root(self) -> _Node:
        """The catalogue at the location."""
        href = catalogue_file(self.location)
        try:
            root = pystac.read_file(href, stac_io=self.static_io)
        except UNREADABLE as error:
            raise CatalogueError(f"{self.location}: cannot be read: {short(error)}. Correct the catalogue.") from None
        if not isinstance(root, Catalog):
            raise CatalogueError(f"{self.location}: is no catalogue. Give the path of its catalog.json.")
        self._top = root
        return _Node(catalog=root, path=(str(root.get_self_href()),))

    def below(self, start: _Node) -> Iterator[_Node]:
        """`start` and every catalogue below it, parents first, each once.

        A link that leads back up is passed over: catalogues may well name their parents among their children.
        """
        seen = set(start.path)
        waiting = [start]
        while waiting:
            node = waiting.pop()
            yield node
            children: list[_Node] = []
            for href, link in self._links(node.catalog, pystac.RelType.CHILD):
                if href in seen:
                    continue
                seen.add(href)
                if len(node.path) >= _DEEPEST:
                    raise CatalogueError(
                        f"{without_query(href)}: lies more than {_DEEPEST} catalogues below {self.location}. Give the "
                        "address of a catalogue further down, or correct the links."
                    )
                child = self._target(link, f"{self.location}: a collection of it")
                if not isinstance(child, Catalog):
                    raise CatalogueError(f"{without_query(href)}: is linked as a child, but is no catalogue.")
                children.append(_Node(catalog=child, path=(*node.path, href)))
            waiting += reversed(children)

    def items(self, collection: _Node) -> Iterator[Item]:
        """All items of a collection and of the catalogues below it."""
        what = f"collection {collection.catalog.id}: an item of it"
        for node in self.below(collection):
            for href, link in self._links(node.catalog, pystac.RelType.ITEM):
                item = self._target(link, what)
                if not isinstance(item, Item):
                    raise CatalogueError(f"{what} cannot be read: {without_query(href)} is none. Correct or remove it.")
                yield item

    def _links(self, catalog: Catalog, rel: str) -> list[tuple[str, pystac.Link]]:
        """The links of a kind with their addresses."""
        try:
            links = [(str(link.get_absolute_href()), link) for link in catalog.get_links(rel)]
        except UNREADABLE as error:
            raise CatalogueError(f"{self.location}: a link of {catalog.id} cannot be read: {short(error)}.") from None
        self._known |= {href for href, _ in links}
        return links

    def _target(self, link: pystac.Link, what: str) -> Any:
        """What a link leads to."""
        self._read += not link.is_resolved()
        try:
            link.resolve_stac_object(root=self._top)
        except UNREADABLE as error:
            # pystac hides every reason behind one sentence of its own.
            reason = error.__cause__ or error
            if isinstance(reason, DeepSentinelError):
                raise reason from None
            said = short(error) if reason is error else f"{short(error)}, {short(reason)}"
            raise CatalogueError(f"{what} cannot be read: {said}. Correct or remove it.") from None
        self.say(self._read, len(self._known))
        return link.target

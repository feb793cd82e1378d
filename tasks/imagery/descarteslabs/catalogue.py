"""The catalogue: which patches share a search, what is asked for, and what is found."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import shapely
from earthdaily.earthone.catalog import Band, Image
from earthdaily.earthone.catalog import properties as p
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from tasks.errors import CatalogueError
from tasks.imagery.descarteslabs.gate import Gate
from tasks.imagery.descarteslabs.services import CatalogueService
from tasks.imagery.platform import Traffic
from tasks.places.antimeridian import crossing, cut


@dataclass(frozen=True, kw_only=True)
class Search:
    """One question: which scenes meet one of these patches, acquired within one of these spans?"""

    area: Any
    """Outlines of the patches, WGS 84 degrees, cut at 180 degrees."""
    spans: tuple[tuple[int, int], ...]
    """Acquisition times, microseconds since 1970 UTC, half open, disjoint, in order."""


class Catalogue:
    """What one account sees of the catalogue, over as many connections as there may be requests in flight."""

    def __init__(self, service: CatalogueService, gate: Gate) -> None:
        self._service, self._gate = service, gate
        # Threads that outlive a search keep their connections for the next one.
        self._threads = ThreadPoolExecutor(gate.limit.at_most, thread_name_prefix="descarteslabs")

    def images(self, asked: Mapping[str, tuple[str, Sequence[Search]]], traffic: Traffic) -> dict[str, list[Any]]:
        """Images by role; `asked` are its product and searches.

        Raises CatalogueError, CredentialsError, PixelsError, PlatformUnreachable, SettingsError.
        """
        found = {
            role: [self._threads.submit(self._search, product, search, traffic) for search in searches]
            for role, (product, searches) in asked.items()
        }
        try:
            return {role: [image for one in answers for image in one.result()] for role, answers in found.items()}
        finally:
            # After an error nobody wants the rest; what runs already is waited for.
            started = [one for answers in found.values() for one in answers if not one.cancel()]
            wait(started)

    def bands(self, product: str, setting: str) -> dict[str, Any]:
        """Bands of a product by name; counts in the thread's traffic.

        Raises CatalogueError: there are none; names the setting. As `images` else.
        """
        found: list[Any] = list(Band.search(client=self._service).filter(p.product_id == product))
        if not found:
            raise CatalogueError(
                f"descarteslabs: there is no product {product!r}, or this account may not see it. Set {setting} to the "
                "id of one that it may; product ids differ between accounts."
            )
        return {band.name: band for band in found}

    def close(self) -> None:
        """End the threads and their connections."""
        self._threads.shutdown(cancel_futures=True)
        self._service.close()

    def _search(self, product: str, search: Search, traffic: Traffic) -> list[Any]:
        spans = [(p.acquired >= text(first)) & (p.acquired < text(end)) for first, end in search.spans]
        with self._gate.counting(traffic):
            asked = Image.search(client=self._service).filter(p.product_id == product)
            return list(asked.filter(reduce(or_, spans)).intersects(search.area))


def searches(
    outlines: NDArray[Any], first: NDArray[np.int64], end: NDArray[np.int64], *, together: int
) -> Iterator[Search]:
    """Searches that find all scenes of n patches, each within its own span [first, end).

    Patches whose spans are near each other in time share a search: what one of them does not need of the answer is
    then little, wherever on the globe the others lie.
    """
    order = np.argsort(first, kind="stable")
    for start in range(0, len(order), together):
        some = order[start : start + together]
        yield Search(area=area_of(outlines[some]), spans=merged(first[some], end[some]))


def merged(first: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """The union of spans, as disjoint spans in order."""
    spans: list[tuple[int, int]] = []
    for start, stop in sorted(zip(first.tolist(), end.tolist(), strict=True)):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
        else:
            spans.append((start, stop))
    return tuple(spans)


def area_of(outlines: NDArray[Any]) -> shapely.Geometry:
    """Outlines as one geometry, each cut at 180 degrees as RFC 7946 asks for; those that overlap become one."""
    across = crossing(outlines)
    parts: list[Polygon] = []
    for outline, crosses in zip(outlines, across, strict=True):
        parts.extend(cut(outline, name="patch").parts if crosses else (outline,))
    whole = MultiPolygon(parts)
    # A listed place stands there in two zones, and users list places that overlap.
    return whole if whole.is_valid else shapely.union_all(parts)


def text(instant: int) -> str:
    """Microseconds since 1970 UTC as the catalogue wants it."""
    return dt.datetime.fromtimestamp(instant / 1e6, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

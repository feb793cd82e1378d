"""Archives opened, draws on them, and what their pixels are to be."""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.imagery.bands import BANDS
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.stac import StacSettings, pixels
from tasks.imagery.stac.cogs.facts import File
from tasks.imagery.stac.cogs.reader import Reader
from tasks.imagery.stac.pixels import Wanted
from tasks.imagery.stac.platform import StacArchive
from tasks.places.draws import Draws
from tasks.places.patches import Patch, Patches
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.roles import DAY, Role, Rule
from tasks.scenes.scenes import Acquisitions
from tasks.spec import StacSource
from tests.archive import EPSG, L2A_BANDS, LEFT, RESOLUTION, TOP, Archive, at, pattern

PATCH = Patch(epsg=EPSG, xmin=LEFT + 130, ymax=TOP - 70, pixels=64)
WINDOW = (1_483_228_800_000_000, 1_704_067_200_000_000)
"""2017 to 2024."""


def rule_over(window: tuple[int, int], *, search_days: int) -> Rule:
    """The rule of a pair at most three days apart."""
    return Rule(
        window=window, roles={"s2": Role(near=None, reach=search_days * DAY), "s1": Role(near="s2", reach=3 * DAY)}
    )


RULE = rule_over(WINDOW, search_days=3_000)
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


def opened_at(catalog: Path | str, *, rule: Rule = RULE, patience: float = 300, **source: Any) -> StacArchive:
    return StacArchive(
        StacSource(catalog=str(catalog), **source),
        rule=rule,
        bounds=EVERYWHERE,
        settings=StacSettings(stac_patience=patience),
    )


def opened(archive: Archive, **source: Any) -> StacArchive:
    return opened_at(archive.save(), **source)


def draws_of(*patches: Patch, preferred: int = 1_525_344_021_000_000) -> Draws:
    columns = Patches(
        epsg=np.array([p.epsg for p in patches], np.int32),
        xmin=np.array([p.xmin for p in patches], np.int64),
        ymax=np.array([p.ymax for p in patches], np.int64),
        pixels=patches[0].pixels,
    )
    return Draws(cell=np.arange(len(patches)), preferred=np.full(len(patches), preferred, np.int64), patches=columns)


def found_pair(platform: StacArchive, patch: Patch = PATCH) -> Acquisitions:
    draws = draws_of(patch)
    candidates = platform.candidates(draws, Traffic())
    pairs = pair(draws.patches, draws.preferred, candidates, RULE)
    assert pairs.outcome[0] == Outcome.PAIRED, Outcome(int(pairs.outcome[0])).reason
    return pairs.acquisitions(candidates, 0)


def ids_of(acquisitions: Acquisitions) -> dict[str, str]:
    return {role: acquisition.id for role, acquisition in acquisitions.items()}


def fetched(platform: StacArchive, patch: Patch = PATCH) -> Tiles:
    return platform.fetch(patch, found_pair(platform, patch), Traffic())


def s2_of(tiles: Tiles) -> Any:
    return tiles.arrays["stac/s2"]


def s1_of(tiles: Tiles) -> Any:
    return tiles.arrays["stac/s1"]


def expected_s2(scene: int, bands: tuple[str, ...] = L2A_BANDS, patch: Patch = PATCH) -> np.ndarray:
    tiles = [
        pattern(scene, index, *at(patch, RESOLUTION[band])) if band in bands else np.zeros(patch.shape)
        for index, band in enumerate(BANDS)
    ]
    return np.stack(tiles).astype(np.uint16)


def read_onto(
    href: str, patch: Patch, *, fill: float, dtype: Any, traffic: Traffic | None = None, **options: Any
) -> np.ndarray:
    """The first band of a file on a patch, read by a reader of its own that tries only once."""
    reader = Reader(**{"patience": 0, **options})
    try:
        wanted = Wanted(file=File(href=href, scene="scene"), fill=fill, dtype=dtype)
        return pixels.read_onto(reader, patch, [wanted], traffic or Traffic())[0]
    finally:
        reader.close()

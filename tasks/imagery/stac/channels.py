"""Channels: the files that are wanted for a look at a place, and what is said of them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.errors import CatalogueError, SceneUnavailable
from tasks.imagery.bands import POLARIZATIONS
from tasks.imagery.reflectance import carries_offset
from tasks.imagery.stac.assets import SCL, classes_key
from tasks.imagery.stac.classes import SceneClasses, classes_of
from tasks.imagery.stac.cogs.facts import Facts, File
from tasks.imagery.stac.declared import Said, band_keys, polarization_keys
from tasks.imagery.stac.meaning import Backscatter, Reflectance, backscatter_of, reflectance_of
from tasks.imagery.stac.scenes import OpticalScenes, RadarScenes
from tasks.scenes.looks import mask_of
from tasks.scenes.reasons import Reason
from tasks.scenes.scenes import Acquisition
from tasks.spec import StacSource

Meant = Reflectance | Backscatter | SceneClasses


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A file that is wanted for a band or polarization of a look, or for its mask."""

    look: str
    """What its pixels are kept as: of a mask the mask's."""
    channel: str
    scene: str
    """Id of the scene of the look, for messages."""
    said: Said
    carries: bool | None = None
    """Of Sentinel-2's bands: whether digital numbers are 1000 too high."""

    @property
    def file(self) -> File:
        """As the reader wants it."""
        return File(href=self.said.href, scene=self.scene)

    @property
    def is_radar(self) -> bool:
        """Whether it is a polarization."""
        return self.channel in POLARIZATIONS

    def meaning(self, facts: Facts, source: StacSource) -> Meant:
        """What its pixels mean. Raises SceneUnavailable."""
        if self.is_radar:
            return backscatter_of(self.file, facts, self.said, self.channel, source)
        if self.channel == SCL:
            return classes_of(self.file, facts, self.said)
        return reflectance_of(self.file, facts, self.said, self.channel, source, self.carries)


def optical_of(acquisition: Acquisition) -> OpticalScenes:
    """The scenes of an acquisition of Sentinel-2."""
    if not isinstance(acquisition.scenes, OpticalScenes):
        raise TypeError("the acquisition is of another platform: resolve it first")
    return acquisition.scenes


def radar_channels(look: str, acquisition: Acquisition) -> list[Channel]:
    """The polarizations of a Sentinel-1 scene. Raises CatalogueError: no files of them are listed."""
    if not isinstance(acquisition.scenes, RadarScenes):
        raise TypeError("the acquisition is of another platform: resolve it first")
    name, assets = acquisition.id, acquisition.scenes.assets(acquisition.scene)
    keys = polarization_keys(assets)
    if set(keys) != set(POLARIZATIONS):
        raise CatalogueError(f"{name}: the catalogue lists no files of VV and VH, so only `plan` can use it.")
    return [
        Channel(look=look, channel=polarization, scene=name, said=assets[keys[polarization]])
        for polarization in POLARIZATIONS
    ]


def band_channels(
    look: str, name: str, scenes: OpticalScenes, scene: int, bands: Sequence[str] | None = None
) -> list[Channel]:
    """The bands of a product, or those of `bands` that it has; `name` is the scene's of the look."""
    assets = scenes.assets(scene)
    carries = carries_offset(
        baseline=str(scenes.baseline[scene]),
        already_removed=scenes.offset_removed[scene],
        acquired=dt.datetime.fromtimestamp(int(scenes.time[scene]) / 1e6, tz=dt.UTC),
    )
    return [
        Channel(look=look, channel=band, scene=name, said=assets[key], carries=carries)
        for band, key in band_keys(assets).items()
        if bands is None or band in bands
    ]


def mask_channel(look: str, name: str, scenes: OpticalScenes, scene: int) -> Channel:
    """The scene classification of a product of Level 2A, for the mask of a look.

    Raises SceneUnavailable: none is listed.
    """
    assets = scenes.assets(scene)
    key = classes_key(assets)
    if key is None:
        said = f"{scenes.id[scene]}: the catalogue lists no scene classification of it, which `mask: cloud` needs"
        raise SceneUnavailable(Reason.NO_FILE, name, said)
    return Channel(look=mask_of(look), channel=SCL, scene=name, said=assets[key])

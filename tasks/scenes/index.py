"""An index of scenes in space and time: which may serve a draw, found without looking at the others."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.scenes.scenes import Scenes

_TICK = 1000
"""Microseconds a step of the index: times are rounded down to it and compared exactly later."""


class SceneIndex:
    """Scenes sorted by square degree and time.

    A scene stands in every square degree that its bounding box meets; a draw looks in the one where its centre lies,
    and there in a span of time. Costs 12 bytes a scene and square degree.
    """

    def __init__(self, scenes: Scenes) -> None:
        self._bounds = shapely.bounds(scenes.footprint)
        self._time = scenes.time
        self._epoch = int(scenes.time.min()) // _TICK if len(scenes) else 0
        self._ticks = int(scenes.time.max()) // _TICK - self._epoch + 2 if len(scenes) else 2
        first_x, first_y, last_x, last_y = np.floor(np.nan_to_num(self._bounds)).astype(np.int64).T
        across, down = last_x - first_x + 1, last_y - first_y + 1
        scene = np.repeat(np.arange(len(scenes)), across * down)
        within = np.arange(len(scene)) - np.repeat(np.cumsum(across * down) - across * down, across * down)
        x, y = first_x[scene] + within % across[scene], first_y[scene] + within // across[scene]
        keys = self._key(x, y, scenes.time[scene] // _TICK - self._epoch)
        order = np.argsort(keys, kind="stable")
        self._keys, self._scene = keys[order], scene[order].astype(np.int32)

    def near(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64], preferred: NDArray[np.int64], span: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Scenes whose bounding box holds a centre, at most `span` microseconds from its preferred instant.

        A draw without any gets those of all times, so that what is wrong with them can be told.
        Returns rows of (position of the draw, position of the scene), sorted by draw.
        """
        if not len(self._keys):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        first, end = self._span(lon, lat, preferred - span, preferred + span)
        draw, scene = self._rows(first, end, lon, lat)
        without = np.setdiff1d(np.arange(len(lon)), draw)
        if not len(without):
            return draw, scene
        first, end = self._span(
            lon[without], lat[without], np.full(len(without), -(2**62)), np.full(len(without), 2**62)
        )
        more, their_scene = self._rows(first, end, lon[without], lat[without])
        draw, scene = np.concatenate([draw, without[more]]), np.concatenate([scene, their_scene])
        order = np.argsort(draw, kind="stable")
        return draw[order], scene[order]

    def _span(self, lon: Any, lat: Any, since: Any, until: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        x, y = np.floor(lon).astype(np.int64), np.floor(lat).astype(np.int64)
        low = np.clip(since // _TICK - self._epoch, 0, self._ticks - 1)
        high = np.clip(until // _TICK - self._epoch, -1, self._ticks - 1)
        first = np.searchsorted(self._keys, self._key(x, y, low), "left")
        return first, np.maximum(first, np.searchsorted(self._keys, self._key(x, y, high), "right"))

    def _rows(self, first: Any, end: Any, lon: Any, lat: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        count = end - first
        draw = np.repeat(np.arange(len(first)), count)
        position = np.arange(len(draw)) - np.repeat(np.cumsum(count) - count, count) + first[draw]
        scene = self._scene[position]
        west, south, east, north = self._bounds[scene].T
        # Both may be written beyond 180 degrees: compared as eastward distance from the western edge.
        inside = ((lon[draw] - west) % 360 <= east - west) & (lat[draw] >= south) & (lat[draw] <= north)
        return draw[inside], scene[inside].astype(np.int64)

    def _key(self, x: Any, y: Any, tick: Any) -> NDArray[np.int64]:
        return ((y + 90) * 360 + (x + 180) % 360) * self._ticks + tick

"""A year of dates over the middle of the country: what series and pairs of a cloudy and a clear date are made of.

Their rasters are small, so that a year costs less than one scene of the whole country. All lie before 2020, outside the
window of the demo corpus.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from tasks.demo.scenes import ORBIT_45, ORBIT_125, OpticalScene, RadarScene

SHARE, LEAST = 0.06, 2_400.0
"""Side of the rasters: 3.6 km of 60, and room for some patches in the smallest country."""

CLOUDY = 0.65
"""Cloudiness of the dates that have another, clear one within ten days."""

_DATES = (
    ("2018-12-06", "S2B", 9139, 0.0),
    ("2018-12-16", "S2B", 9282, CLOUDY),
    ("2019-01-05", "S2B", 9568, 0.06),
    ("2019-02-09", "S2A", 18986, 0.0),
    ("2019-03-06", "S2B", 10426, CLOUDY),
    ("2019-03-16", "S2B", 10569, 0.0),
    ("2019-04-05", "S2B", 10855, 0.0),
    ("2019-05-20", "S2A", 20416, 0.12),
    ("2019-06-04", "S2B", 11713, 0.0),
    ("2019-06-14", "S2B", 11856, CLOUDY),
    ("2019-07-19", "S2A", 21274, 0.06),
    ("2019-08-08", "S2A", 21560, 0.0),
    ("2019-09-12", "S2B", 13143, CLOUDY),
    ("2019-09-22", "S2B", 13286, 0.0),
    ("2019-10-07", "S2A", 22418, 0.0),
    ("2019-11-21", "S2B", 14144, 0.12),
)
"""Day, satellite, absolute orbit and cloudiness; at least one a month, all of relative orbit 80."""

_RADAR = (
    ("2018-12-06", 45, 24913, 0.5, 0.6),
    ("2018-12-18", 45, 25088, 1.0, 0.8),
    ("2019-01-04", 125, 25322, 2.0, 0.7),
    ("2019-02-09", 125, 25847, -0.5, 0.4),
    ("2019-03-05", 125, 26197, 1.5, 0.5),
    ("2019-03-17", 125, 26372, 0.0, 0.2),
    ("2019-04-05", 45, 26663, 0.5, 0.3),
    ("2019-05-23", 45, 27363, -0.5, 0.0),
    ("2019-06-04", 45, 27538, 0.0, -0.3),
    ("2019-06-16", 45, 27713, 1.0, 0.1),
    ("2019-07-22", 45, 28238, -1.5, -0.8),
    ("2019-08-08", 125, 28472, -1.0, -0.6),
    ("2019-09-13", 125, 28997, 0.5, 0.2),
    ("2019-09-20", 45, 29113, 0.0, 0.1),
    ("2019-10-07", 125, 29347, 1.5, 0.5),
    ("2019-11-19", 45, 29988, 2.0, 0.7),
)
"""Day, relative and absolute orbit, wind and wetness; six on the day of a clear date, one within days of every date."""

_PASSES = {45: ("ascending", time(18, 22, 9)), 125: ("descending", time(6, 48, 3))}


def _at(day: str, of_day: time) -> datetime:
    return datetime.combine(date.fromisoformat(day), of_day, UTC)


def _optical(day: str, satellite: str, orbit: int, cloudiness: float) -> OpticalScene:
    start = _at(day, time(11, 43, 51))
    return OpticalScene(
        satellite,
        start,
        80,
        orbit,
        # ESA changed its processing on 2019-07-08.
        "02.07" if start < datetime(2019, 7, 8, tzinfo=UTC) else "02.08",
        start + timedelta(hours=2, minutes=31, seconds=orbit % 60),
        cloudiness=cloudiness,
        share=SHARE,
        least=LEAST,
        whole_l1c=True,
    )


def _radar(day: str, relative: int, orbit: int, wind: float, wetness: float) -> RadarScene:
    direction, of_day = _PASSES[relative]
    return RadarScene(
        _at(day, of_day),
        relative,
        orbit,
        direction,
        edges={45: ORBIT_45, 125: ORBIT_125}[relative],
        share=SHARE,
        least=LEAST,
        wind=wind,
        wetness=wetness,
    )


OPTICAL_YEAR = tuple(_optical(*one) for one in _DATES)
RADAR_YEAR = tuple(_radar(*one) for one in _RADAR)

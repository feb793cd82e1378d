"""SEN12MS-CR: a clear and a cloudy Sentinel-2 image and one of Sentinel-1 of each place, of one season of 2018.

Source of names: the layout that the authors' own loader expects (PatrickTUM/UnCRtainTS, data/dataLoader.py). No file
tells its date: what is known is the season, in the words of the northern hemisphere.
"""

import re

from tasks.published.layout import Layout, Name, midnight

_FILE = re.compile(r"(ROIs\d+)_(spring|summer|fall|winter)_(s1|s2_cloudy|s2)_(\d+)_p(\d+)\.tif")

_SEASONS = {
    "spring": (midnight(2018, 3), midnight(2018, 6)),
    "summer": (midnight(2018, 6), midnight(2018, 9)),
    "fall": (midnight(2018, 9), midnight(2018, 12)),
    # January, February and December of the year.
    "winter": (midnight(2018), midnight(2019)),
}


def parse(name: str) -> Name | None:
    """What a file's name tells: ROIs1158_spring_s2_cloudy_1_p30.tif; None: it is no name of the set."""
    found = _FILE.fullmatch(name)
    if found is None:
        return None
    seed, season, role, region, patch = found.groups()
    return Name(
        role=role,
        roi=f"{seed}_{region}",
        place=f"{seed}_{season}_{region}_p{patch}",
        span=_SEASONS[season],
        columns={"season": season},
    )


LAYOUT = Layout(
    name="sen12mscr",
    title="SEN12MS-CR",
    example="ROIs1158_spring_s2/s2_1/ROIs1158_spring_s2_1_p30.tif",
    roles=("s2", "s2_cloudy", "s1"),
    dates=1,
    columns=("season",),
    parse=parse,
    spec={
        "window": ["2018-01-01", "2019-01-01"],
        "acquisitions": {
            "s2": {"level": "l1c", "search_days": 366},
            "s2_cloudy": {"level": "l1c", "near": "given"},
            "s1": {"near": "given"},
        },
        "shard_size": 256,
    },
    said="""\
# SEN12MS-CR as it was published: Level-1C and backscatter in dB, on the files' own grids. Nobody published the dates:
# times and gaps are null. Neighbouring patches overlap by half, so that whole regions are in one split.""",
)

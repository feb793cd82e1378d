"""SEN12MS-CR-TS: thirty pairs of Sentinel-2 and Sentinel-1 images of each place over 2018.

Source of names: the layout that the authors' own loader expects (PatrickTUM/UnCRtainTS, data/dataLoader.py). Names tell
the day of an image, and its number among the thirty, which is what pairs the sensors: their days differ.
"""

import datetime as dt
import re

from tasks.published.layout import Layout, Name, midnight

_DATES = 30

_FILE = re.compile(r"(s1|s2)_(ROIs\d+)_(\d+)_ImgNo_(\d+)_(\d{4})-(\d\d)-(\d\d)_patch_(\d+)\.tif")


def parse(name: str) -> Name | None:
    """What a file's name tells: s2_ROIs1158_106_ImgNo_0_2018-01-02_patch_0.tif; None: it is no name of the set."""
    found = _FILE.fullmatch(name)
    if found is None:
        return None
    role, seed, region, number, year, month, day, patch = found.groups()
    try:
        start = midnight(int(year), int(month), int(day))
    except ValueError:
        return None
    if int(number) >= _DATES:
        return None
    return Name(
        role=role,
        roi=f"{seed}_{region}",
        place=f"{seed}_{region}_p{patch}",
        date=int(number),
        span=(start, start + dt.timedelta(days=1)),
    )


LAYOUT = Layout(
    name="sen12mscrts",
    title="SEN12MS-CR-TS",
    example="ROIs1158/106/S2/0/s2_ROIs1158_106_ImgNo_0_2018-01-02_patch_0.tif",
    roles=("s2", "s1"),
    dates=_DATES,
    columns=(),
    parse=parse,
    spec={
        "window": ["2018-01-01", "2019-01-01"],
        "instants": {"given": _DATES},
        "acquisitions": {"s2": {"level": "l1c"}, "s1": {"near": "given"}},
        "shard_size": 8,
    },
    said="""\
# SEN12MS-CR-TS as it was published: Level-1C and backscatter in dB, on the files' own grids, the thirty dates of a
# place in their order. Times are known to the day: they are its first instant, and gaps are whole days.""",
)

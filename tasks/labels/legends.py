"""What classes are called and how they are drawn; CORINE's own legend."""

from dataclasses import asdict, dataclass
from typing import Any

Colour = tuple[int, int, int]
"""Red, green, blue; 0 to 255."""


@dataclass(frozen=True, kw_only=True)
class LabelClass:
    """One class of a label."""

    index: int
    """As it is stored; 0 is nodata and no class."""
    code: str
    """As the source calls it; the end of the column with its share."""
    name: str
    rgb: Colour | None = None
    """None where the source has no colours."""

    def to_json(self) -> dict[str, Any]:
        """As the attributes of an array and `corpus.json` have it."""
        return {key: value for key, value in asdict(self).items() if value is not None}


_CORINE = """
111 230 000 077 Continuous urban fabric
112 255 000 000 Discontinuous urban fabric
121 204 077 242 Industrial or commercial units
122 204 000 000 Road and rail networks and associated land
123 230 204 204 Port areas
124 230 204 230 Airports
131 166 000 204 Mineral extraction sites
132 166 077 000 Dump sites
133 255 077 255 Construction sites
141 255 166 255 Green urban areas
142 255 230 255 Sport and leisure facilities
211 255 255 168 Non-irrigated arable land
212 255 255 000 Permanently irrigated land
213 230 230 000 Rice fields
221 230 128 000 Vineyards
222 242 166 077 Fruit trees and berry plantations
223 230 166 000 Olive groves
231 230 230 077 Pastures
241 255 230 166 Annual crops associated with permanent crops
242 255 230 077 Complex cultivation patterns
243 230 204 077 Land principally occupied by agriculture, with significant areas of natural vegetation
244 242 204 166 Agro-forestry areas
311 128 255 000 Broad-leaved forest
312 000 166 000 Coniferous forest
313 077 255 000 Mixed forest
321 204 242 077 Natural grasslands
322 166 255 128 Moors and heathland
323 166 230 077 Sclerophyllous vegetation
324 166 242 000 Transitional woodland-shrub
331 230 230 230 Beaches, dunes, sands
332 204 204 204 Bare rocks
333 204 255 204 Sparsely vegetated areas
334 000 000 000 Burnt areas
335 166 230 204 Glaciers and perpetual snow
411 166 166 255 Inland marshes
412 077 077 255 Peat bogs
421 204 204 255 Salt marshes
422 230 230 255 Salines
423 166 166 230 Intertidal flats
511 000 204 242 Water courses
512 128 242 230 Water bodies
521 000 255 166 Coastal lagoons
522 166 255 230 Estuaries
523 230 242 255 Sea and ocean
"""
"""Codes, colours and names of level 3 in the order of the raster's codes 1 to 44.

Source: the legend that comes with the raster of the Copernicus Land Monitoring Service (CLC2018_CLC2018_V2018_20_QGIS).
"""


def _corine_class(index: int, line: str) -> LabelClass:
    code, red, green, blue, name = line.split(maxsplit=4)
    return LabelClass(index=index, code=code, name=name, rgb=(int(red), int(green), int(blue)))


CORINE = tuple(_corine_class(index, line) for index, line in enumerate(_CORINE.split("\n")[1:-1], 1))
"""CORINE Land Cover: 44 classes, the n-th stored as n."""

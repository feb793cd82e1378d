"""The scene classification of Level 2A as a cloud mask."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SceneUnavailable
from tasks.imagery.stac.assets import SCL
from tasks.imagery.stac.cogs.facts import Facts, File
from tasks.imagery.stac.declared import Said
from tasks.imagery.stac.meaning import Meaning, band_number
from tasks.scenes.reasons import Reason

NODATA = 255

_CLOUD = (8, 9, 10)
"""Cloud of medium and high probability, and thin cirrus (ESA, Level-2A product specification)."""

_UNKNOWN = (0, 1)
"""Nothing, and pixels that are saturated or defective, of which nothing is said."""

_MOST = 11


@dataclass(frozen=True, kw_only=True)
class SceneClasses:
    """Of a scene classification."""

    meaning: Meaning

    def percent(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Classes 0 to 11, any shape, as probability of cloud in percent, 0 or 100, 255 = nodata.

        A shadow is no cloud: s2cloudless, whose probabilities the masks of other platforms hold, looks for clouds
        alone. Raises SceneUnavailable: there are other values.
        """
        most = int(values.max(initial=0))
        if most > _MOST:
            raise self.meaning.refused(values, f"a scene classification has classes 0 to {_MOST}")
        percent = np.zeros(_MOST + 1, np.uint8)
        percent[[*_CLOUD]], percent[[*_UNKNOWN]] = 100, NODATA
        return percent[values]


def classes_of(file: File, facts: Facts, said: Said) -> SceneClasses:
    """What the pixels of a scene classification mean. Raises SceneUnavailable: it is none."""
    if facts.dtype.kind != "u":
        raise SceneUnavailable(
            Reason.NOT_UNDERSTOOD, file.scene, f"{file.name}: is {facts.dtype}, where classes are whole numbers"
        )
    return SceneClasses(
        meaning=Meaning(
            file=file,
            band=band_number(said, facts, SCL, file),
            dtype=facts.dtype,
            fill=0,
            nothing=None,
            scale=1.0,
            offset=0.0,
            said="",
        )
    )

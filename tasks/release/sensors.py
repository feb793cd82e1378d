"""What the sensors see: bands and polarizations in the words of other tools."""

from dataclasses import dataclass
from typing import Any

from tasks.imagery.bands import BANDS, POLARIZATIONS


@dataclass(frozen=True, kw_only=True)
class SpectralBand:
    """A band of Sentinel-2's MultiSpectral Instrument."""

    common_name: str
    """Of STAC's extension `eo`, version 2."""
    centre: float
    """Central wavelength, micrometres."""
    width: float
    """Bandwidth, micrometres: full width at half maximum."""
    resolution: int
    """Metres on the ground, of the sensor; the arrays repeat the pixels of 20 and 60 m bands."""

    def to_json(self, name: str) -> dict[str, Any]:
        """As a band of a STAC asset."""
        return {
            "name": name,
            "eo:common_name": self.common_name,
            "eo:center_wavelength": self.centre,
            "eo:full_width_half_max": self.width,
            "gsd": self.resolution,
        }


def _band(common_name: str, centre: float, width: float, resolution: int) -> SpectralBand:
    """From nanometres, as the table has them."""
    return SpectralBand(
        common_name=common_name, centre=round(centre / 1000, 7), width=round(width / 1000, 7), resolution=resolution
    )


SPECTRAL_BANDS = {
    "B01": _band("coastal", 442.7, 21, 60),
    "B02": _band("blue", 492.4, 66, 10),
    "B03": _band("green", 559.8, 36, 10),
    "B04": _band("red", 664.6, 31, 10),
    "B05": _band("rededge071", 704.1, 15, 20),
    "B06": _band("rededge075", 740.5, 15, 20),
    "B07": _band("rededge078", 782.8, 20, 20),
    "B08": _band("nir", 832.8, 106, 10),
    "B8A": _band("nir08", 864.7, 21, 20),
    "B09": _band("nir09", 945.1, 20, 60),
    "B10": _band("cirrus", 1373.5, 31, 60),
    "B11": _band("swir16", 1613.7, 91, 20),
    "B12": _band("swir22", 2202.4, 175, 20),
}
"""Sentinel-2A's; those of its sisters differ by up to 17 nm (B12). Source: ESA, Sentinel-2 MSI User Guide, spatial and
spectral resolutions, table of Sentinel-2A (S2A spectral responses, version 3.0)."""

RADAR = {
    "sar:instrument_mode": "IW",
    "sar:frequency_band": "C",
    "sar:center_frequency": 5.405,
    "sar:polarizations": list(POLARIZATIONS),
    "sar:product_type": "GRD",
}
"""Of every Sentinel-1 acquisition of a corpus: the pairing rule takes no others. GHz; source: ESA, Sentinel-1 User
Guide, SAR instrument."""

OPTICAL_BANDS = [SPECTRAL_BANDS[name].to_json(name) for name in BANDS]
"""Along the band axis of every Sentinel-2 array, as bands of a STAC asset."""

RADAR_BANDS = [{"name": name, "sar:polarizations": [name]} for name in POLARIZATIONS]
"""Along the polarization axis of every Sentinel-1 array, as bands of a STAC asset."""

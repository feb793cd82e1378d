"""The order of bands and polarizations, and where a corpus keeps them."""

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Sentinel-2 bands in the order in which every array holds them."""

POLARIZATIONS = ("VV", "VH")
"""Sentinel-1 polarizations in the order in which every array holds them."""


def array_path(platform: str, role: str) -> str:
    """Where a corpus keeps what a platform holds of a role, e.g. stac/s2."""
    return f"{platform}/{role}"

"""The platform `earthengine`: Google Earth Engine through its own client, `earthengine-api`."""

from tasks.imagery.earthengine.platform import EarthEngine

__all__ = ["EarthEngine"]

"""What the columns of the sample rows mean, in a sentence each."""

import re

from tasks.release.rules import rules_of
from tasks.shards.description import Description
from tasks.spec.acquisitions import anchors_of

_MEANINGS = {
    "sample_id": "The sample's name, unique in the corpus; the id of its STAC item.",
    "sample": "Index of the sample along the first axis of every array.",
    "shard": "The shard that holds it.",
    "row": "Its place in the shard.",
    "cell": "Cell of the lattice, or number of the listed place.",
    "geometry": "Outline of the patch: WKB, longitude and latitude, WGS 84.",
    "crs": "Coordinate system of the patch, a UTM zone.",
    "xmin": "West edge of the patch, metres in its CRS.",
    "ymin": "South edge of the patch, metres in its CRS.",
    "xmax": "East edge of the patch, metres in its CRS.",
    "ymax": "North edge of the patch, metres in its CRS.",
    "lon": "Longitude of the centre, degrees.",
    "lat": "Latitude of the centre, degrees.",
    "preferred_time": "The instant near which acquisitions were looked for, UTC.",
    "gap_hours": "Sentinel-1's acquisition minus Sentinel-2's, hours.",
    "stratum": "Which of the strata that the spec lists the place was drawn in, from 0.",
    "split": "What the sample is for.",
    "place_id": "What the user's file of places calls it.",
    "missing": "Why the place has no pixels; null: it has.",
    "missing_dates": "Why the place has no pixels at each date; null: it has.",
    "osm_features": "OpenStreetMap features on the patch.",
    "osm_coverage": "Fraction of the patch that the extracts of OpenStreetMap cover.",
}

_OF_ROLES = {
    "time": "Start of the acquisition, UTC.",
    "gap_hours": "The acquisition minus the one that it was looked for near to, hours.",
    "tile": "MGRS tile of the product.",
    "baseline": "Processing baseline of the product.",
    "orbit": "Relative orbit.",
    "direction": "Of the pass: ascending or descending.",
    "cloud_cover": "Of the whole scene, percent.",
    "satellite": "Which one of the mission's, such as S2A or S1C.",
    "sun_elevation": "Of the sun above the horizon, for the whole scene, degrees.",
    "incidence": "Of the radar from the vertical, over the patch or, if only that is known, the scene, degrees.",
    "clear": "Fraction of the pixels that the mask says are clear.",
}
"""Columns `<role>_...`."""

_OF_PLATFORMS = {
    "id": "The platform's own identifier of the acquisition.",
    "nodata": "Fraction of pixels without data.",
}
"""Columns `<platform>_<role>_...`."""


def meaning_of(column: str, description: Description) -> str:
    """What a column means; of one that a layer has added, which layer it is of."""
    if column == "gap_hours" and (near := anchors_of(rules_of(description))["s1"]) != "s2":
        return f"The acquisition of s1 minus that of {near}, hours."
    if column in _MEANINGS:
        return _MEANINGS[column]
    # The longest first: of s2_x and s2 the former is meant by s2_x_time.
    roles = "|".join(map(re.escape, sorted(description.roles, key=len, reverse=True)))
    platforms = "|".join(map(re.escape, description.bands))
    if found := re.fullmatch(rf"({roles})_(.+)", column):
        return _OF_ROLES.get(found[2], f"Of the acquisition {found[1]}.")
    if found := re.fullmatch(rf"({platforms})_({roles})_(.+)", column):
        return _OF_PLATFORMS.get(found[3], f"Of {found[2]} on {found[1]}.")
    if found := re.fullmatch(rf"({platforms})_absent_bands", column):
        return f"Bands that are all 0 in this sample on {found[1]} although the platform has them elsewhere."
    layer, _, rest = column.partition("_")
    if layer in description.layers:
        return f"Labels {layer}: " + ("fraction without." if rest == "nodata" else f"share or value of {rest}.")
    return "Kept from the user's file of places."

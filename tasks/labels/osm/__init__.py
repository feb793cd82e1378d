"""OpenStreetMap as labels: classes, extracts, the store of a corpus, and rasters made from it."""

"""Cloud-optimised GeoTIFFs: the blocks that are needed, each fetched and decoded once, from disks and servers alike."""

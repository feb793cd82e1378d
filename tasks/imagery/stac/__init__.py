"""The platform `stac`: any STAC archive of cloud-optimised GeoTIFFs."""

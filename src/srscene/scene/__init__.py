"""A GeoTIFF or Sentinel-2 product: read in windows, upscaled in tiles, written as what GIS tools open."""

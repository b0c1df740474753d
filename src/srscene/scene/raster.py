"""A map of tiles as a GeoTIFF: float32, a band for each of the 19 classes, a pixel for each tile of the grid.

A pixel covers the middle of its tile, as wide as the stride; a band's name is its class. Tiles without enough
data are NaN, which is the nodata value. What made it stands in the file's tags.
"""

from pathlib import Path

import numpy as np
import rasterio

from srscene.core.classes import CLASSES
from srscene.runtime.files import whole_file
from srscene.scene.tile_map import TileMap


def write(tiles: TileMap, out: Path) -> None:
    """Write the probabilities to `out`; the same map gives the same bytes."""
    grid = tiles.grid
    values = np.full((len(CLASSES), len(grid.rows), len(grid.columns)), np.nan, np.float32)
    values[:, *tiles.cells] = tiles.probabilities.T
    count, height, width = values.shape
    with (
        whole_file(out) as temporary,
        rasterio.open(
            temporary,
            "w",
            "GTiff",
            width,
            height,
            count,
            tiles.crs,
            grid.cell_transform(tiles.transform),
            "float32",
            np.nan,
            compress="deflate",
            predictor=3,
            interleave="band",
        ) as file,
    ):
        file.write(values)
        file.descriptions = CLASSES
        file.update_tags(**tiles.provenance)

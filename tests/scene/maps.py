"""Maps of made-up probabilities, for what writes and draws them."""

from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from srscene.core.classes import CLASSES
from srscene.scene.grid import Grid
from srscene.scene.tile_map import TileMap

NORTH_UP = Affine(10, 0, 399_960, 0, -10, 5_300_040)
MISSING = 5
"""The number of the tile, by rows, that had too little data."""


def tile_map(
    grid: Grid | None = None,
    crs: str | None = "EPSG:32633",
    transform: Affine = NORTH_UP,
    threshold: float = 0.8,
    **changes: Any,
) -> TileMap:
    """Return a map of all tiles of a grid, by default 3 × 4 of 120 pixels, but one."""
    grid = grid or Grid(370, 500, 120, 120)
    places = [(row, column) for row in grid.rows for column in grid.columns]
    places = places[:MISSING] + places[MISSING + 1 :]
    rows, columns = np.array(places, np.int32).T
    random = np.random.default_rng(3)
    values = {
        "valid": random.uniform(0.95, 1, len(places)).astype(np.float32),
        "distance": random.uniform(0, 4, len(places)).astype(np.float32),
        "probabilities": random.random((len(places), len(CLASSES)), np.float32),
        "provenance": {"backbone": "resnet18", "sr": "bicubic", "threshold": f"{threshold:g}"},
    } | changes
    return TileMap(
        grid, transform, CRS.from_string(crs) if crs else None, rows, columns, threshold=threshold, **values
    )

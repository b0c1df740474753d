"""From a scene to the tiles of a grid. Blocks are read ahead, so memory is flat in the scene's size."""

from collections.abc import Iterator
from itertools import islice, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from srscene.core.store import Image
from srscene.runtime.threads import ahead
from srscene.scene.grid import Grid
from srscene.scene.source import Scene
from srscene.scene.tiles import filled

BLOCK = 1080
"""Pixels along a side that are read at once, about; a Sentinel-2 product has blocks of 1,024."""


class Tile(NamedTuple):
    """A tile (size, size, 3) uint8 RGB, its first row and column in the scene, and its share of data, 0..1.

    Where there is no data, it shows what lies nearest.
    """

    row: int
    column: int
    image: Image
    valid: float


def cut(scene: Scene, grid: Grid, start: int = 0) -> Iterator[Tile]:
    """Yield the tiles of the grid, block by block, but the first `start`; one without any data is black."""
    places = list(product(_groups(grid.rows, grid), _groups(grid.columns, grid)))
    while places and start >= (count := len(places[0][0]) * len(places[0][1])):
        start -= count
        del places[0]
    for rows, columns, image, valid in _blocks(scene, grid.size, places):
        for row, column in islice(product(rows, columns), start, None):
            top, left = row - rows[0], column - columns[0]
            window = slice(top, top + grid.size), slice(left, left + grid.size)
            there = valid[window]
            yield Tile(row, column, filled(image[window], there), float(there.mean()))
        start = 0


def _blocks(
    scene: Scene, size: int, places: list[tuple[range, range]]
) -> Iterator[tuple[range, range, Image, NDArray[np.bool_]]]:
    """Return the first rows and columns of tiles side by side, the block (h, w, 3) of them all, its mask."""

    def read(place: tuple[range, range]) -> tuple[range, range, Image, NDArray[np.bool_]]:
        rows, columns = place
        height, width = (starts[-1] - starts[0] + size for starts in place)
        return rows, columns, *scene.read(rows[0], columns[0], height, width)

    return ahead(read, places)  # while one block is computed on


def _groups(starts: range, grid: Grid) -> list[range]:
    """Return `starts` cut into runs whose tiles span BLOCK pixels at most, or are single ones."""
    several = max(1, (BLOCK - grid.size) // grid.stride + 1)
    return [starts[index : index + several] for index in range(0, len(starts), several)]

"""What `predict` found out about a scene's tiles, before it is written as one format or another."""

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from srscene.core.classes import CLASSES, short_label
from srscene.scene.grid import Grid

SEPARATOR = "; "
"""Between labels; some class names hold a comma."""


@dataclass(frozen=True)
class TileMap:
    """The N predicted tiles of a grid, row by row; tiles without enough data are not among them."""

    grid: Grid
    transform: Affine
    """The scene's, from its pixels to `crs`."""
    crs: CRS | None
    rows: NDArray[np.int32]
    """(N,): the first row of each, in the scene's pixels."""
    columns: NDArray[np.int32]
    valid: NDArray[np.float32]
    """(N,): share of pixels with data, 0..1."""
    distance: NDArray[np.float32]
    """(N,): standard deviations from the training images, of the colour that is farthest; NaN if unknown."""
    probabilities: NDArray[np.float32]
    """(N, 19), 0..1."""
    threshold: float
    """Probability from which a class counts as predicted."""
    provenance: dict[str, str]
    """What made it: versions, model, hashes."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> NDArray[np.bool_]:
        """(N, 19): what is predicted."""
        return np.asarray(self.probabilities >= self.threshold)

    @property
    def top(self) -> NDArray[np.intp]:
        """(N,): index of the most probable class, predicted or not."""
        return np.asarray(self.probabilities.argmax(1))

    @property
    def cells(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Each tile's row and column in the grid."""
        shift, stride = self.grid.shift, self.grid.stride
        return (self.rows - shift) // stride, (self.columns - shift) // stride


def column_of(name: str) -> str:
    """Return what a class's probability is called in a table: `p_urban_fabric`."""
    return "p_" + short_label(name).lower().replace(" ", "_").replace("-", "_")


COLUMNS = tuple(column_of(name) for name in CLASSES)

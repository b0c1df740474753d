"""Where the tiles of a map lie on a scene: whole tiles alone, in rows from the scene's first corner."""

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from srscene.runtime.console import BadInput


@dataclass(frozen=True)
class Grid:
    """Squares of `size` pixels, `stride` apart, the first `shift` from both edges of the first corner."""

    height: int
    """Of the scene, pixels, as all of these."""
    width: int
    size: int
    stride: int
    shift: int = 0

    @property
    def rows(self) -> range:
        """The first row of each row of tiles."""
        return range(self.shift, self.height - self.size + 1, self.stride)

    @property
    def columns(self) -> range:
        """The first column of each column of tiles."""
        return range(self.shift, self.width - self.size + 1, self.stride)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def left_over(self) -> tuple[int, int]:
        """Pixels below and right of the last tiles, too few for one more."""
        return self.height - self.rows[-1] - self.size, self.width - self.columns[-1] - self.size

    def cell_transform(self, transform: Affine) -> Affine:
        """Return the transform of a raster of a pixel for each tile, its middle `stride` × `stride`."""
        start = self.shift + (self.size - self.stride) / 2
        return transform @ Affine.translation(start, start) @ Affine.scale(self.stride)


def lay(name: str, height: int, width: int, size: int, stride: int, shift: int) -> Grid:
    """Return the grid on the scene called `name`; raises BadInput where it has no tile, or gaps."""
    if not 1 <= stride <= size:
        raise BadInput(f"--stride: {stride} pixels, expected 1 to {size}, the side of a tile")
    grid = Grid(height, width, size, stride, shift)
    if not len(grid):
        moved = f" from pixel {shift} on (--shift)" if shift else ""
        raise BadInput(
            f"{name}: {height:,}×{width:,} pixels{moved}, expected at least {size}×{size}, "
            "a tile as the model takes it"
        )
    return grid


def outlines(
    transform: Affine, rows: NDArray[np.integer], columns: NDArray[np.integer], size: int
) -> NDArray[np.float64]:
    """Return the corners (N, 5, 2) of tiles in the CRS, first and last the same, counter-clockwise.

    `rows`, `columns` (N,) are their first pixels. What is counter-clockwise on the map is clockwise in
    pixels, whose rows go down, unless the transform turns the scene over.
    """
    around = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)]  # (column, row): down, right, up, left
    corners = np.array(around if transform.determinant < 0 else around[::-1], float) * size
    x, y = np.moveaxis(corners + np.stack([columns, rows], -1)[:, None], -1, 0)
    t = transform
    return np.stack([t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f], -1)

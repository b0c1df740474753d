"""Where tiles lie: whole, inside the scene, and as polygons that turn the right way."""

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.runtime.console import BadInput
from srscene.scene.grid import Grid, lay, outlines

TRANSFORMS = {
    "north-up": Affine(10, 0, 500_000, 0, -10, 5_400_000),
    "south-up": Affine(10, 0, 500_000, 0, 10, 5_400_000),
    "rotated": Affine(10, 0, 500_000, 0, -10, 5_400_000) @ Affine.rotation(30),
}


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 120), st.integers(0, 300))
def test_tiles_are_whole_and_none_more_would_fit(height: int, width: int, stride: int, shift: int) -> None:
    grid = Grid(height, width, 120, stride, shift)
    for starts, length in ((grid.rows, height), (grid.columns, width)):
        assert all(shift <= start <= length - 120 for start in starts)
        assert len(starts) == max(0, (length - 120 - shift) // stride + 1)
    if len(grid):
        assert all(0 <= left < stride for left in grid.left_over)


def test_a_scene_of_one_tile_has_one() -> None:
    assert len(lay("scene", 120, 120, 120, 120, 0)) == 1


@pytest.mark.parametrize(("height", "shift"), [(119, 0), (125, 6)])
def test_a_scene_without_a_tile_is_refused(height: int, shift: int) -> None:
    with pytest.raises(BadInput, match=rf"scene: {height}×130 pixels.*, expected at least 120×120"):
        lay("scene", height, 130, 120, 120, shift)


@pytest.mark.parametrize("stride", [0, 121])
def test_a_stride_of_nothing_or_with_gaps_is_refused(stride: int) -> None:
    with pytest.raises(BadInput, match=f"--stride: {stride} pixels, expected 1 to 120"):
        lay("scene", 400, 400, 120, stride, 0)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_outlines_are_closed_counter_clockwise_and_where_their_pixels_are(name: str) -> None:
    rows, columns = np.array([0, 240]), np.array([120, 60])
    found = outlines(TRANSFORMS[name], rows, columns, 120)
    for ring, row, column in zip(found, rows, columns, strict=True):
        x, y = ring.T
        area = 0.5 * (x[:-1] * y[1:] - x[1:] * y[:-1]).sum()
        assert area == pytest.approx(1200**2)  # positive: counter-clockwise
        assert ring[0].tolist() == ring[-1].tolist()
        pixels = np.array([~TRANSFORMS[name] @ (*corner, 1) for corner in ring[:4]])[:, :2]
        corners = {(round(column), round(row)) for column, row in pixels}
        assert corners == {(column + a, row + b) for a in (0, 120) for b in (0, 120)}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize(("stride", "shift"), [(120, 0), (60, 0), (40, 17)])
def test_a_cell_lies_in_the_middle_of_its_tile(name: str, stride: int, shift: int) -> None:
    grid = lay("scene", 500, 500, 120, stride, shift)
    cells = grid.cell_transform(TRANSFORMS[name])
    middle = outlines(TRANSFORMS[name], np.array([grid.rows[2]]), np.array([grid.columns[1]]), 120)[0, :4]
    np.testing.assert_allclose(np.array(cells @ (1.5, 2.5, 1))[:2], middle.mean(0))
    assert abs(cells.determinant) == pytest.approx((10 * stride) ** 2)

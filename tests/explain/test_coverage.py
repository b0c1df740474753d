"""Coverage and entropy on maps whose values are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srscene.explain.coverage import (
    entropy,
    share_above_half,
    summarise,
    to_blocks,
    to_patch_grid,
)

CELLS = st.integers(1, 16).flatmap(
    lambda side: arrays(
        np.float32, (3, side, side), elements=st.floats(0, 1000, width=32, allow_subnormal=False)
    )
)


def one_cell(side: int) -> np.ndarray:
    maps = np.zeros((1, side, side), np.float32)
    maps[0, side // 2, side // 2] = 3
    return maps


def test_known_maps() -> None:
    even = np.full((1, 120, 120), 0.7, np.float32)
    half = even.copy()
    half[:, :60] = 0
    assert share_above_half(even) == pytest.approx([1])
    assert share_above_half(half) == pytest.approx([0.5])
    assert share_above_half(one_cell(120)) == pytest.approx([1 / 14400])
    assert entropy(even) == pytest.approx([1])
    assert entropy(half) == pytest.approx([np.log(7200) / np.log(14400)])
    assert entropy(one_cell(120)) == pytest.approx([0])


def test_resizing_aligns_cell_centres() -> None:
    """Bilinear by hand: pixel i of 120 lies at (i + 0.5) · side / 120 − 0.5 in cells."""
    cells = np.random.default_rng(0).random((1, 1, 15)).astype(np.float32).repeat(15, 1)
    at = (np.arange(120) + 0.5) * 15 / 120 - 0.5
    expected = np.interp(at, np.arange(15), cells[0, 0])
    assert np.abs(to_patch_grid(cells)[0] - expected).max() < 1e-5


def test_a_map_on_the_patch_grid_stays_itself() -> None:
    maps = np.random.default_rng(0).random((2, 120, 120)).astype(np.float32)
    assert np.abs(to_patch_grid(maps) - maps).max() < 1e-6


def test_blocks_are_300_m_means() -> None:
    maps = np.arange(16, dtype=np.float32).reshape(1, 4, 4).repeat(30, 1).repeat(30, 2)
    assert to_blocks(maps)[0] == pytest.approx(np.arange(16).reshape(4, 4))


def test_blocks_do_not_depend_on_the_grid() -> None:
    """The same quarter of the patch is active, on 4×4 cells and on a chequerboard of 16×16."""
    coarse = np.zeros((1, 4, 4), np.float32)
    coarse[0, :2, :2] = 1
    fine = coarse.repeat(4, 1).repeat(4, 2) * (np.indices((16, 16)).sum(0) % 2).astype(np.float32)
    on_4, on_16 = summarise(coarse), summarise(fine)
    assert on_4["coverage_300m"] == on_16["coverage_300m"] == 0.25
    assert on_4["coverage"] - on_16["coverage"] > 0.1


@given(CELLS)
def test_numbers_stay_in_range_and_ignore_scale(maps: np.ndarray) -> None:
    found = summarise(maps)
    assert found["cams"] == 3
    assert found["empty"] == sum(not cam.any() for cam in maps)
    for name in ("coverage", "entropy", "coverage_300m", "entropy_300m"):
        assert found[name] is None if found["empty"] == 3 else -1e-6 <= found[name] <= 1 + 1e-6
    assert summarise(maps * 4) == found


def test_empty_maps_are_counted_and_left_out() -> None:
    maps = np.concatenate([one_cell(15), np.zeros((2, 15, 15), np.float32)])
    assert summarise(maps) == summarise(one_cell(15)) | {"cams": 3, "empty": 2}
    nothing = summarise(maps[1:])
    assert (nothing["empty"], nothing["coverage"], nothing["entropy"]) == (2, None, None)

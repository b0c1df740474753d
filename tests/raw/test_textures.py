"""The pieces that landscapes are painted with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.raw.landscape import textures
from srscene.raw.landscape.fields import parcels
from srscene.raw.landscape.textures import SIZE


@given(seed=st.integers(0, 999), wavelength=st.floats(2, 300), octaves=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_noise_is_normalised_at_any_scale(seed: int, wavelength: float, octaves: int) -> None:
    field = textures.fractal(np.random.default_rng(seed), max(wavelength, 2**octaves), octaves)
    assert (field.shape, field.dtype) == ((SIZE, SIZE), np.float32)
    assert abs(float(field.mean())) < 1e-3
    assert float(field.std()) == pytest.approx(1, abs=1e-3)


def test_noise_is_as_coarse_as_its_wavelength() -> None:
    for wavelength in (4, 20, 60):
        field = textures.noise(np.random.default_rng(0), wavelength)
        roughness = np.abs(np.diff(field, axis=1)).mean() * wavelength
        assert 1.2 < roughness < 2.6


@given(seed=st.integers(0, 999), width=st.floats(11, 90), angle=st.floats(0, 3.14))
@settings(max_examples=15, deadline=None)
def test_fields_are_numbered_without_gaps(seed: int, width: float, angle: float) -> None:
    fields = parcels(np.random.default_rng(seed), angle, width, 2 * width, 5)
    assert np.array_equal(np.unique(fields), np.arange(fields.max() + 1))
    assert 0.3 < SIZE**2 / (fields.max() + 1) / (2 * width**2) < 2.5


def test_shift_moves_whole_pixels_and_repeats_the_edge() -> None:
    field = np.arange(SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)
    moved = textures.shifted(field, (2, -3))
    assert np.array_equal(moved[:-3, 2:], field[3:, :-2])
    assert np.array_equal(moved[0, :3], field[3, [0, 0, 0]])


def test_trees_stand_where_the_density_lets_them() -> None:
    density = np.zeros((SIZE, SIZE), np.float32)
    density[:, SIZE // 2 :] = 1
    trees = textures.crowns(np.random.default_rng(0), 6, (-2, -2), density)
    assert trees.cover[20:, : SIZE // 2 - 10].max() == 0
    assert trees.cover[:, SIZE // 2 + 10 :].mean() > 0.5


def test_paint_lays_colour_over_the_canvas_by_cover() -> None:
    canvas = textures.plain((100, 200, 300))
    cover = np.zeros((SIZE, SIZE), np.float32)
    cover[0], cover[1] = 1, 0.5
    painted = textures.paint(canvas, cover, (200, 200, 0))
    assert painted[:, :3, 0].T.tolist() == [[200, 200, 0], [150, 200, 150], [100, 200, 300]]

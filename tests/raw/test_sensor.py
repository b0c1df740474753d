"""The sensor model does to waves, flat land and noise what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.raw.landscape.sensor import HALF, blur_sigma, observe

NO_NOISE = 1e9


def wave(period: float) -> np.ndarray:
    """A wave across columns, period in px of 2.5 m, whose crests lie in the middle of pixels of 10 m."""
    x = np.arange(480, dtype=np.float32) + 0.5
    row = 20_000 + 10_000 * np.cos((x - 2) * 2 * np.pi / period)
    return np.broadcast_to(row[None, :, None], (480, 480, 3)).astype(np.float32)


@pytest.mark.parametrize("mtf", [0.15, 0.26, 0.5])
def test_the_finest_wave_keeps_the_asked_share_of_its_contrast(mtf: float) -> None:
    seen = observe(np.random.default_rng(0), wave(8), mtf, NO_NOISE)[60, 20:-20, 0].astype(float)
    assert (seen.max() - seen.min()) / 20_000 == pytest.approx(mtf, abs=0.004)


def test_a_wide_wave_keeps_nearly_all() -> None:
    seen = observe(np.random.default_rng(0), wave(120), 0.26, NO_NOISE)[60, 20:-20, 0].astype(float)
    assert (seen.max() - seen.min()) / 20_000 > 0.98


def test_the_pixel_area_alone_is_the_sharpest_there_is() -> None:
    assert blur_sigma(0.9) == 0
    assert blur_sigma(0.26) == pytest.approx(1.7286, abs=1e-3)


@given(level=st.floats(50, 8000), snr=st.floats(20, 500))
@settings(max_examples=20, deadline=None)
def test_noise_grows_with_the_root_of_the_signal(level: float, snr: float) -> None:
    seen = observe(np.random.default_rng(1), np.full((480, 480, 3), level, np.float32), 0.26, snr).astype(
        float
    )
    expected = np.hypot(np.sqrt(level * HALF) / snr, np.sqrt(1 / 12))  # shot noise, and rounding
    assert seen.std() == pytest.approx(expected, rel=0.05)
    assert seen.mean() == pytest.approx(level, abs=0.2 + 5 * expected / np.sqrt(seen.size))

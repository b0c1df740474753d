import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from srscene.ingest.reflectance import to_rgb
from srscene.raw.layout import BANDS

EVERY_VALUE = np.arange(2**16, dtype=np.uint16).reshape(256, 256)


def test_reflectance_2000_equals_the_float64_formula_for_every_value():
    expected = np.clip(EVERY_VALUE.astype(np.float64) / 2000 * 255, 0, 255).astype(np.uint8)
    for channel in np.moveaxis(to_rgb([EVERY_VALUE] * 3, 2000), -1, 0):
        np.testing.assert_array_equal(channel, expected)


@given(st.integers(1, 10_000))
def test_every_maximum_is_exact_for_every_value(reflectance_max):
    expected = np.minimum(EVERY_VALUE.astype(np.uint32) * 255 // reflectance_max, 255)
    np.testing.assert_array_equal(to_rgb([EVERY_VALUE] * 3, reflectance_max)[..., 0], expected)


def test_red_comes_first():
    assert BANDS == ("B04", "B03", "B02")
    red, green, blue = (np.full((120, 120), value, np.uint16) for value in (2000, 1000, 0))
    image = to_rgb([red, green, blue], 2000)
    assert image.shape == (120, 120, 3)
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [255, 127, 0]

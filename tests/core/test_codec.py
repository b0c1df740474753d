"""Images come back as they were; what is no codestream of the right size is refused at once."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srscene.core.codec import LEAST, MOST, compressed, decode, encode
from tests.sr.sr_data import images

SIDES = st.integers(1, 70)


@given(SIDES, SIDES, st.integers(0, 2**32), st.sampled_from([0, 1, 20, 255]))
def test_no_pixel_is_lost(height, width, seed, amplitude):
    pixels = np.random.default_rng(seed).integers(0, amplitude + 1, (height, width, 3), np.uint8)
    out = np.full_like(pixels, 7)
    decode(encode(pixels), out)
    np.testing.assert_array_equal(out, pixels)


def test_it_makes_land_small():
    pixels = images(1, 200, 200)[0]
    assert len(encode(pixels)) < 0.5 * pixels.nbytes


def test_the_same_pixels_give_the_same_bytes():
    pixels = images(1, 60, 50)[0]
    assert encode(pixels) == encode(np.array(pixels))


@pytest.mark.parametrize(("height", "width"), [(60_000, 60_000), (60, 51), (50, 60), (2**32 - 1, 1)])
def test_a_codestream_that_claims_another_size_is_refused(height, width):
    pixels = images(1, 60, 50)[0]
    codestream = bytearray(encode(pixels))
    struct.pack_into(">II", codestream, 8, width, height)
    struct.pack_into(">II", codestream, 24, width, height)
    with pytest.raises(ValueError, match="no HTJ2K codestream of 60×50×3"):
        decode(bytes(codestream), np.empty_like(pixels))


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\x4f\xff\x51", bytes(1000), b"\x89PNG" * 99])
def test_what_is_no_codestream_is_refused(data):
    with pytest.raises(ValueError, match="no HTJ2K codestream"):
        decode(data, np.empty((6, 5, 3), np.uint8))


def test_only_images_of_a_middling_size_are_compressed():
    assert not compressed((120, 120, 3))
    assert compressed((480, 480, 3))
    assert compressed((1, LEAST, 3))
    assert not compressed((MOST + 1, 1, 3))
    assert not compressed((-480, -480, 3))

"""Stored numbers become ingest's levels, whatever they are stored as, and come back to half a step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.ingest.reflectance import to_rgb
from srscene.runtime.console import BadInput
from srscene.scene.guess import assumed
from srscene.scene.radiometry import Radiometry

EVERY = np.arange(2**16, dtype=np.uint16).reshape(1, 256, 256).repeat(3, 0)
FEW = settings(max_examples=10, deadline=None)
NO_OFFSET = (0.0, 0.0, 0.0)


def ingested(reflectance: np.ndarray, reflectance_max: int) -> np.ndarray:
    return to_rgb(list(reflectance), reflectance_max)


@given(st.integers(1, 10_000))
@FEW
def test_whole_numbers_of_any_type_become_ingests_levels(reflectance_max: int) -> None:
    expected = ingested(EVERY, reflectance_max)
    plain = Radiometry(10_000, NO_OFFSET, reflectance_max)
    np.testing.assert_array_equal(plain.to_rgb(EVERY), expected)
    np.testing.assert_array_equal(plain.to_rgb(EVERY.astype(np.float32)), expected)
    np.testing.assert_array_equal(plain.to_rgb(EVERY.astype(np.int32)), expected)


@given(st.integers(1, 10_000))
@FEW
def test_floats_that_were_integers_become_their_levels(reflectance_max: int) -> None:
    unit = Radiometry(1, NO_OFFSET, reflectance_max)
    stored = EVERY[:, :80]  # reflectances up to 2, which float32 holds to 1e-7
    np.testing.assert_array_equal(
        unit.to_rgb((stored / 10_000).astype(np.float32)), ingested(stored, reflectance_max)
    )


def test_the_offset_is_of_each_band_and_nothing_wraps() -> None:
    stored = EVERY[:, 0:8]
    lifted = Radiometry(10_000, (-1000.0, 0.0, 500.0), 2000).to_rgb(stored)
    signed = stored.astype(np.int32) + np.array([-1000, 0, 500]).reshape(3, 1, 1)
    np.testing.assert_array_equal(lifted, ingested(signed.clip(0).astype(np.uint16), 2000))


def test_negative_and_missing_reflectances_are_black() -> None:
    stored = np.array([-5, np.nan, np.inf, -np.inf, 0.3], np.float32).reshape(1, 1, 5).repeat(3, 0)
    assert Radiometry(1, NO_OFFSET, 2000).to_rgb(stored)[0, :, 0].tolist() == [0, 0, 255, 0, 255]


@pytest.mark.parametrize(("scale", "offset"), [(10_000, 0.0), (10_000, -1000.0), (1, 0.0), (2000, -100.0)])
@given(reflectance_max=st.integers(100, 10_000))
@FEW
def test_the_way_back_is_exact_to_half_a_step(scale: float, offset: float, reflectance_max: int) -> None:
    radiometry = Radiometry(scale, (offset, offset, offset), reflectance_max)
    reflectance = np.linspace(0, reflectance_max, 5000, endpoint=False).reshape(1, 50, 100).repeat(3, 0)
    stored = (reflectance - offset) * scale / 10_000
    back = radiometry.from_rgb(radiometry.to_rgb(stored))
    half_a_step = reflectance_max / 255 / 2 * scale / 10_000
    assert np.abs(back - stored).max() <= half_a_step * 1.02  # to_rgb rounds up the last 1/2 of 1/10,000


@pytest.mark.parametrize(
    ("darkest", "kind", "expected"),
    [(150, "uint16", (10_000, 0)), (1150, "uint16", (10_000, -1000)), (0.015, "float32", (1, 0)),
     (0.115, "float32", (1, -1000)), (150, "float32", (10_000, 0))],
)  # fmt: skip
def test_what_is_assumed_is_said(
    darkest: float, kind: str, expected: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    sample = np.linspace(darkest, darkest * 8, 3000).reshape(3, 1000, order="F").astype(kind)
    found = assumed("scene.tif", sample, None, None, 2000)
    assert (found.scale, found.offset) == (expected[0], (expected[1],) * 3)
    assert found.guessed == ("scale", "offset")
    said = capsys.readouterr().out
    assert said.startswith("scene.tif: ")
    assert f"offset {expected[1]}" in said
    assert f"{expected[0]:,} for a reflectance of 1" in said


def test_options_decide_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    bright = np.full((3, 10), 3000, np.uint16)
    assert assumed("a.tif", bright, 0, 10_000, 2000) == Radiometry(10_000, NO_OFFSET, 2000)
    assert not capsys.readouterr().out
    assert assumed("a.tif", bright, 0, None, 2000) == Radiometry(10_000, NO_OFFSET, 2000)
    assert "--offset" not in capsys.readouterr().out


def test_nothing_to_look_at_is_no_guess() -> None:
    nothing = np.empty((3, 0), np.uint16)
    for options in ((None, None), (0, None), (None, 10_000)):
        with pytest.raises(BadInput, match=r"a\.tif: nothing but black and no data .* --scale .* --offset 0"):
            assumed("a.tif", nothing, *options, 2000)


@pytest.mark.parametrize(
    ("scale", "offset", "reflectance_max", "whole"),
    [(10_000, 0, 2000, True), (10_000, -1000, 10_000, True), (1, 0, 2000, False), (65_000, 0, 10_000, True),
     (65_000, -1000, 10_000, False), (1300, 0, 2000, True), (1200, 0, 2000, False), (10_000, 1, 2000, False)],
)  # fmt: skip
def test_what_uint16_holds(scale: float, offset: float, reflectance_max: int, whole: bool) -> None:
    assert Radiometry(scale, (offset, 0, offset), reflectance_max).whole is whole


def test_eight_bits_are_refused_unless_their_scale_is_given() -> None:
    picture = np.full((3, 10), 100, np.uint8)
    with pytest.raises(BadInput, match=r"a\.tif: numbers of 8 bits, a picture, .* --scale"):
        assumed("a.tif", picture, None, None, 2000)
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 256).repeat(3, 0)
    own = assumed("a.tif", levels[:, 0], 0, 255 / 0.2, 2000)  # 255 stands for 0.2, as in the models' levels
    np.testing.assert_array_equal(own.to_rgb(levels)[0, :, 0], levels[0, 0])

"""Consistency and correctness against values recorded from opensr-test, and where the answer is known."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.exposure import match_histograms

from srscene.assess.consistency import consistency
from srscene.assess.correctness import _matched, correctness
from srscene.assess.fidelity import enlarge
from srscene.core.store import Image

DATA = Path(__file__).parents[1] / "data"
RECORDED = json.loads((DATA / "opensr.json").read_text())
IMAGES: dict[str, Image] = dict(np.load(DATA / "opensr.npz"))


def scene(seed: int, side: int = 96) -> Image:
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3).astype(float)
    return np.clip((smooth - 128) * 4 + 128, 0, 255).astype(np.uint8)


def at_10_m(image: Image) -> Image:
    side = len(image) // 4
    return np.rint(image.reshape(side, 4, side, 4, 3).mean((1, 3))).astype(np.uint8)


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_values_are_those_of_opensr_test(name: str) -> None:
    case = RECORDED["cases"][name]
    low, high, truth = (IMAGES[case[role]] for role in ("low", "high", "truth"))
    values = case["values"]
    found = consistency(low, high, RECORDED["reflectance_max"])
    assert found.reflectance == pytest.approx(values["reflectance"], abs=1e-7)
    assert found.spectral == pytest.approx(values["spectral"], abs=1e-3)  # float32 knows a cosine so far
    assert found.shift == pytest.approx(values["spatial"], abs=0.03)  # a step of 1/50 px in x and y
    shares = correctness(low, high, truth)._asdict()
    assert shares == pytest.approx({key: values[key] for key in shares}, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_truth_is_all_improvement_and_an_interpolation_omits(seed: int) -> None:
    truth = scene(seed)
    low = at_10_m(truth)
    assert correctness(low, truth, truth) == pytest.approx((0.9647, 0.0177, 0.0177), abs=1e-4)
    bilinear = cv2.resize(low, (96, 96), interpolation=cv2.INTER_LINEAR)
    assert correctness(low, bilinear, truth).omission > 0.25


def test_invented_detail_is_hallucination() -> None:
    truth = scene(0)
    low = at_10_m(truth)
    noise = np.random.default_rng(1).normal(0, 40, truth.shape)
    invented = np.clip(enlarge(low, 4) + noise, 0, 255).astype(np.uint8)
    shares = correctness(low, invented, truth)
    assert shares.hallucination > 0.6 > 3 * max(shares.improvement, shares.omission)
    assert math.fsum(shares) == pytest.approx(1, abs=1e-6)


def test_neither_brightness_nor_a_shift_counts_as_detail() -> None:
    large = scene(2, 120)
    truth, beside = large[12:108, 12:108], large[12:108, 9:105]
    low = at_10_m(truth)
    darker = (truth // 2).astype(np.uint8)
    assert correctness(low, darker, truth).improvement > 0.85
    assert correctness(low, beside, truth).improvement > 0.8
    far = large[12:108, 0:96]  # 12 px: not believed
    assert correctness(low, far, truth).improvement < 0.3


def test_consistency_in_its_units() -> None:
    low = scene(3, 40)
    same = low.repeat(4, 0).repeat(4, 1)
    brighter = np.clip(low.astype(int) + 20, 0, 255).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    assert (
        consistency(brighter[::4, ::4], brighter, 2000).spectral < 0.3 + consistency(low, same, 2000).spectral
    )
    difference = consistency(low, brighter, 2000).reflectance - consistency(low, same, 2000).reflectance
    assert 0 < difference < 20 / 255 * 0.2
    red, grey = np.zeros((2, 40, 40, 3), np.uint8)
    red[..., 0], grey[...] = 100, 100
    angle = consistency(red, grey.repeat(4, 0).repeat(4, 1), 2000).spectral
    assert angle == pytest.approx(math.degrees(math.acos(1 / math.sqrt(3))), abs=1e-3)


def test_a_shift_of_4_fine_pixels_is_one_of_10_m() -> None:
    large = scene(4, 416)
    low = at_10_m(large[8:408, 8:408])
    assert consistency(low, large[8:408, 4:404], 2000).shift == pytest.approx(1, abs=0.2)
    assert consistency(low, large[4:404, 4:404], 2000).shift == pytest.approx(math.sqrt(2), abs=0.2)


def test_what_cannot_be_told_is_nan() -> None:
    black = np.zeros((96, 96, 3), np.uint8)
    assert all(map(math.isnan, correctness(black[::4, ::4], black, black)))
    found = consistency(black[::4, ::4], black, 2000)
    assert found.reflectance == 0
    assert math.isnan(found.spectral)
    assert math.isnan(found.shift)
    large = scene(5, 240)
    low = at_10_m(large[40:200, 40:200])
    assert math.isnan(consistency(low, large[40:200, 0:160], 2000).shift)  # 10 px of 10 m


def test_histograms_are_matched_as_scikit_image_matches_them() -> None:
    image, truth = scene(6)[..., 0], scene(7)[..., 1] // 3
    expected = match_histograms(image.astype(np.float32), truth.astype(np.float32))
    assert np.abs(_matched(image, truth) - expected).max() < 1e-4

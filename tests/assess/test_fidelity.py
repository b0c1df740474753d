"""PSNR and SSIM against the definitions that the field uses; scales there and back."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import peak_signal_noise_ratio

from srscene.assess.fidelity import area_mean, enlarge, psnr, ssim
from srscene.sr.common import basicsr_shim  # noqa: F401  basicsr imports only after it

from basicsr.metrics import calculate_psnr, calculate_ssim  # isort: skip


def picture(seed: int, side: int = 64) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


@given(seed=st.integers(0, 999), strength=st.floats(1, 60))
@settings(max_examples=20, deadline=None)
def test_psnr_and_ssim_are_those_of_basicsr(seed: int, strength: float) -> None:
    truth = picture(seed)
    noisy = truth + np.random.default_rng(seed + 1).normal(0, strength, truth.shape)
    image = np.clip(noisy, 0, 255).astype(np.uint8)
    assert psnr(image, truth) == pytest.approx(calculate_psnr(image, truth, crop_border=0), abs=1e-4)
    assert ssim(image, truth) == pytest.approx(calculate_ssim(image, truth, crop_border=0), abs=1e-9)
    torch_psnr = peak_signal_noise_ratio(torch.from_numpy(image), torch.from_numpy(truth), data_range=255.0)
    assert psnr(image, truth) == pytest.approx(torch_psnr.item(), abs=1e-3)


def test_equal_images_score_what_rounding_allows() -> None:
    assert psnr(picture(0), picture(0)) == pytest.approx(58.92, abs=0.01)
    assert ssim(picture(0), picture(0)) == pytest.approx(1)


@given(seed=st.integers(0, 999), factor=st.sampled_from([2, 3, 4]))
@settings(max_examples=10, deadline=None)
def test_the_area_mean_undoes_a_repetition(seed: int, factor: int) -> None:
    image = picture(seed, 30)
    repeated = image.repeat(factor, 0).repeat(factor, 1)
    assert np.array_equal(area_mean(repeated, factor), image)


def test_enlarging_is_bicubic() -> None:
    image = picture(3, 40)
    opencv = cv2.resize(image, (160, 160), interpolation=cv2.INTER_CUBIC)
    assert np.abs(enlarge(image, 4).astype(int) - opencv).max() <= 1
    flat = np.full((8, 8, 3), 77, np.uint8)
    assert np.array_equal(enlarge(flat, 4), np.full((32, 32, 3), 77))

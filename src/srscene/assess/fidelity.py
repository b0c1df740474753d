"""How close two 8-bit images, (H, W, 3), are, and how an image is brought to another scale."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from srscene.core.store import Image

ROUNDING = 1 / 12
"""Mean squared error of rounding to whole levels; less than that, 8 bits cannot tell."""


def psnr(image: NDArray[np.generic], truth: NDArray[np.generic]) -> float:
    """Return 10 log10(255² / mean squared error) in dB, over all pixels and channels; 58.9 where equal."""
    error = np.square(image.astype(np.float32) - truth.astype(np.float32)).mean(dtype=np.float64)
    return float(10 * np.log10(255**2 / max(error, ROUNDING)))


def ssim(image: Image, truth: Image) -> float:
    """Return the structural similarity, -1..1, mean over R, G and B.

    Wang et al. 2004: Gaussian window of 11 × 11 pixels, σ 1.5, K1 0.01, K2 0.03, only where the window fits.
    The values of basicsr.metrics.calculate_ssim; torchmetrics also counts windows over a mirrored border.
    """
    x, y = image.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = _window(x), _window(y)
    product = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    covariance = _window(x * y) - product
    variances = _window(x**2 + y**2) - squares
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return float(similarity.mean())


def _window(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5)[5:-5, 5:-5], np.float64)


def enlarge(image: Image, scale: int) -> Image:
    """Return `image` enlarged by bicubic interpolation: what the upscaler `bicubic` does."""
    unit = torch.from_numpy(image).permute(2, 0, 1)[None].float().div(255)
    large = interpolate(unit, scale_factor=scale, mode="bicubic").clamp(0, 1).mul(255).round().byte()
    return np.asarray(large[0].permute(1, 2, 0).contiguous().numpy())


def area_mean(image: Image, factor: int) -> NDArray[np.float32]:
    """Return the mean of each `factor` × `factor` block, (H/factor, W/factor, 3) float32."""
    height, width, channels = image.shape
    lines = image.reshape(height // factor, factor, width * channels).sum(1, dtype=np.uint32)
    sums = lines.reshape(height // factor, width // factor, factor, channels).sum(2)
    return sums.astype(np.float32) / np.float32(factor**2)

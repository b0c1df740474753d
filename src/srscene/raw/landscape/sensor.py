"""A Sentinel-2-like sensor: from 2.5 m reflectance to what a 10 m band records."""

import cv2
import numpy as np
from numpy.typing import NDArray

from srscene.raw.landscape.textures import Field

FACTOR = 4
"""Pixels of 2.5 m along a pixel of 10 m."""

HALF = 2000
"""Reflectance × 10,000 at which `snr` holds; about the reference radiances of ESA's requirement."""


def blur_sigma(mtf_nyquist: float) -> float:
    """Return the width (σ, px of 2.5 m) of the Gaussian that, with the pixel's own area, gives this MTF.

    The pixel's area is a mean over 4 × 4 pixels of 2.5 m, whose transfer at the Nyquist frequency of 10 m
    sampling, f = 1/8 cycle per 2.5 m pixel, is sin(4πf) / (4 sin(πf)) = 0.653. A Gaussian's is exp(-2π²σ²f²).
    0 where the area alone blurs more than asked.
    """
    frequency = 1 / (2 * FACTOR)
    area = np.sin(FACTOR * np.pi * frequency) / (FACTOR * np.sin(np.pi * frequency))
    return float(np.sqrt(max(np.log(area / mtf_nyquist), 0) / 2) / (np.pi * frequency))


def observe(rng: np.random.Generator, truth: Field, mtf_nyquist: float, snr: float) -> NDArray[np.uint16]:
    """Return what the sensor records of `truth`, (4H, 4W, 3) reflectance × 10,000 -> (H, W, 3) uint16.

    Optics (Gaussian), pixel area (4 × 4 mean), then shot noise: normal, its variance proportional to the
    signal, of signal-to-noise ratio `snr` at a reflectance of 0.2.
    """
    sigma = blur_sigma(mtf_nyquist)
    blurred = cv2.GaussianBlur(truth, (0, 0), sigma, borderType=cv2.BORDER_REFLECT) if sigma else truth
    height, width, bands = truth.shape
    area = blurred.reshape(height // FACTOR, FACTOR, width // FACTOR, FACTOR, bands).mean((1, 3))
    noise = rng.standard_normal(area.shape, np.float32) * np.sqrt(np.maximum(area, 0) * HALF) / snr
    return np.clip(np.rint(area + noise), 1, 65535).astype(np.uint16)

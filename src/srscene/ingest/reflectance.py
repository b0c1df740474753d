"""Surface reflectance to 8-bit RGB."""

import cv2
import numpy as np
from numpy.typing import NDArray

BANDS = ("B04", "B03", "B02")
"""Sentinel-2's red, green and blue, the 10 m bands of an RGB image."""


def rgb_table(reflectance_max: int) -> NDArray[np.uint8]:
    """Return the 8-bit value of each of the 65,536 reflectances: clip(x / reflectance_max · 255), truncated.

    2000 is what TensorFlow Datasets (`bigearthnet/rgb`) and TorchGeo use. Integer arithmetic gives the exact
    floor, where a float that falls just below a whole number would lose a level.
    """
    reflectance = np.arange(2**16, dtype=np.uint32)
    return np.minimum(reflectance * 255 // reflectance_max, 255).astype(np.uint8)


def to_rgb(bands: list[NDArray[np.uint16]], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 of the three bands, each (H, W) uint16, in the order of BANDS."""
    return np.asarray(cv2.merge([table.take(band) for band in bands]), np.uint8)

"""Surface reflectance to 8-bit RGB."""

import cv2
import numpy as np
from numpy.typing import NDArray


def to_rgb(bands: list[NDArray[np.uint16]], reflectance_max: int) -> NDArray[np.uint8]:
    """Return clip(x / reflectance_max · 255), truncated, as (H, W, 3) uint8.

    `bands` are three (H, W) uint16, red first; `reflectance_max` is at most 10,000. TensorFlow
    Datasets (`bigearthnet/rgb`) does this with 2000, and TorchGeo draws with it.

    OpenCV rounds to the nearest level, in float32. x / m · 255 is a multiple of 1/m: shifted by 1/2 - 1/(2m)
    it rounds to its floor, with 1/(2m) >= 5e-5 to spare for errors of at most 3.1e-5.
    """
    shift = 0.5 / reflectance_max - 0.5
    levels = [cv2.convertScaleAbs(band, alpha=255 / reflectance_max, beta=shift) for band in bands]
    return np.asarray(cv2.merge(levels), np.uint8)

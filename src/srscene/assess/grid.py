"""Images brought onto each other's grid as opensr-test 1.3.3 does it by default: border, scale, shift."""

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.registration import phase_cross_correlation
from torch import Tensor
from torch.nn.functional import interpolate

from srscene.core.store import Image

BORDER = 16
"""Pixels of the fine image that do not count at each side (Config.border_mask)."""
FINENESS = 50
"""Shifts are found to within 1/50 pixel (satalign 0.1.17, pcc.py)."""
FARTHEST = 5.0
"""Pixels beyond which a shift is not believed (Config.spatial_threshold_distance)."""


def inner(image: Image, border: int) -> Image:
    """Return (H, W, 3) without `border` pixels at each side (utils.apply_mask)."""
    height, width, _ = image.shape
    return image[border : height - border, border : width - border]


def unit(image: NDArray[np.generic]) -> Tensor:
    """Return levels, (H, W, 3) in 0..255, as (3, H, W) float32 in 0..1."""
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1).contiguous() / 255


def resized(values: Tensor, factor: float) -> Tensor:
    """Return (3, H, W) scaled by `factor`, bilinear, antialiased (utils.apply_upsampling, …_downsampling)."""
    return interpolate(values[None], scale_factor=factor, mode="bilinear", antialias=True)[0]


def shift(moving: Tensor, fixed: Tensor) -> tuple[float, float] | None:
    """Return by how many pixels, (x, y), `moving` has to move to lie on `fixed`.

    None where it seems farther than FARTHEST, or where one of them is all black.

    Both are (3, H, W); the phases of the spectra of their mean bands are correlated. That is the method
    `pcc` of spatial.py (SpatialMetricAlign); `lgm` would need a neural network.
    """
    if not (fixed.any() and moving.any()):
        return None
    grey_fixed, grey_moving = fixed.numpy().mean(0), moving.numpy().mean(0)
    (y, x), _, _ = phase_cross_correlation(grey_fixed, grey_moving, upsample_factor=FINENESS)
    return (float(x), float(y)) if np.hypot(x, y) <= FARTHEST else None

"""Whether an image still says what the image it was made from said: the consistency of opensr-test 1.3.3."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from srscene.assess.grid import BORDER, inner, resized, shift, unit
from srscene.core.store import Image


class Consistency(NamedTuple):
    """What differs between an image at 10 m and an enlarged one brought back to 10 m."""

    reflectance: float
    """Mean absolute difference of reflectance."""
    spectral: float
    """Mean angle between the colours of a pixel, degrees; NaN where every pixel is black."""
    shift: float
    """Length of the shift between them, pixels of 10 m; NaN where none can be told."""


def consistency(low: Image, high: Image, reflectance_max: int) -> Consistency:
    """Return how `high`, (S·H, S·W, 3) uint8, differs from `low`, (H, W, 3) uint8.

    `reflectance_max` is the digital number, reflectance times 10,000, of level 255. The formulas are those
    of Metrics.consistency (main.py) with the defaults of Config: reflectance_distance `l1` and
    spectral_distance `sad` (distance.py: L1, SAD), agg_method `pixel`, spatial_method `pcc` (spatial.py).
    """
    scale = len(high) // len(low)
    border = BORDER // scale
    before = unit(inner(low, border))
    after = resized(unit(inner(high, border * scale)), 1 / scale)
    moved = shift(before, after)
    return Consistency(
        reflectance=float((before - after).abs().mean()) * reflectance_max / 10_000,
        spectral=float(_angle(before, after).nanmean()),
        shift=math.hypot(*moved) if moved else math.nan,
    )


def _angle(x: Tensor, y: Tensor) -> Tensor:
    """Return the angle in degrees between the colours of each pixel, (H, W); NaN where one is black."""
    cosine = (x * y).sum(0) / (x.norm(dim=0) * y.norm(dim=0))
    return torch.rad2deg(cosine.clamp(-1, 1).acos())

"""Whether the detail that an image adds is the true one: the correctness of opensr-test 1.3.3."""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srscene.assess.grid import BORDER, inner, resized, shift, unit
from srscene.core.store import Image

QUANTILE = 0.75
"""Of the distance between input and truth: below it, nothing was to be added (gradient_threshold `auto`)."""
STEEPNESS = 0.05
"""Config.im_score, om_score and ha_score."""
TEMPERATURE = 0.25
"""Config.correctness_temperature."""


class Shares(NamedTuple):
    """How far the detail of an image is true, missing, or made up; they sum to 1, or all are NaN."""

    improvement: float
    omission: float
    hallucination: float


def correctness(low: Image, high: Image, truth: Image) -> Shares:
    """Return the shares of `high`, (S·H, S·W, 3) uint8 like `truth`, made from `low`, (H, W, 3) uint8.

    A pixel counts where input, image or truth differ by more than QUANTILE of the differences between input
    and truth. NaN where none of them does. The formulas are those of Metrics.compute (main.py) with the
    defaults of Config: correctness_distance `nd` (distance.py: FractionalDifference), agg_method `pixel`,
    correctness_norm `softmin`, and harm_apply_spectral and harm_apply_spatial on.
    """
    scale = len(truth) // len(low)
    border = BORDER // scale
    true = inner(truth, border * scale)
    reached, wanted = unit(_harmonised(inner(high, border * scale), true)), unit(true)
    given = resized(unit(inner(low, border)), scale)
    to_do, left, done = _distance(given, wanted), _distance(reached, wanted), _distance(reached, given)
    threshold = to_do.flatten().kthvalue(int(QUANTILE * to_do.numel())).values
    counts = torch.stack([to_do, left, done]).amax(0) > threshold
    return _shares(left[counts] / to_do[counts], done[counts] / to_do[counts])


def _distance(x: Tensor, y: Tensor) -> Tensor:
    """Return the difference relative to the sum, mean over bands: (3, H, W) twice -> (H, W)."""
    return ((x - y).abs() / (x + y + 1e-8)).mean(0)


def _shares(left: Tensor, done: Tensor) -> Shares:
    """Return the mean shares of pixels, by their distance from truth and input relative to those' own.

    The nearer a pixel is to one of the three ends, the greater its share (correctness.py: tc_improvement,
    tc_omission, tc_hallucination, softmin). Where input and truth are equal, both distances are infinite,
    and all is made up.
    """
    detour = 1 - torch.exp(-STEEPNESS * (left + done - 1))
    from_ends = [left + done * detour, done + left * detour, torch.exp(-STEEPNESS * left * done)]
    nearness = torch.exp(-torch.stack(from_ends) / TEMPERATURE)
    return Shares(*(nearness / nearness.sum(0)).mean(1).tolist())


def _harmonised(image: Image, truth: Image) -> NDArray[np.float32]:
    """Return `image` with the histogram of `truth`, and laid upon it: (H, W, 3) float32, levels.

    So that neither another brightness nor a shift counts as detail (main.py: Metrics.sr_harm_setup). The
    shift is not made where it seems farther than grid.FARTHEST.
    """
    matched = np.stack([_matched(image[..., band], truth[..., band]) for band in range(3)], axis=-1)
    found = shift(unit(matched), unit(truth))
    if found is None:
        return matched
    move = np.array([[1, 0, found[0]], [0, 1, found[1]]], np.float32)
    moved = cv2.warpAffine(matched, move, matched.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _matched(band: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (H, W) with the histogram of `truth`: as skimage.exposure.match_histograms does to floats."""
    occurring, counts = np.unique(truth, return_counts=True)
    ranks = np.bincount(band.ravel(), minlength=256).cumsum() / band.size
    levels = np.interp(ranks, counts.cumsum() / truth.size, occurring)
    return np.asarray(levels.astype(np.float32)[band])

"""What the training images look like, in a few numbers, so that a scene unlike all of them can be told."""

from dataclasses import dataclass

import numpy as np

from srscene.classify.batches import Indices
from srscene.core.store import PatchStore

SAMPLE = 2000
"""Images that are read: enough for two digits, and seconds of reading."""


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation, over `images` training images, of an image's mean R, G and B, 0..255."""

    images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def statistics(store: PatchStore, indices: Indices) -> Statistics:
    """Return the statistics of these patches' images, or of SAMPLE of them, evenly chosen; at least one."""
    chosen = indices[np.linspace(0, len(indices) - 1, min(len(indices), SAMPLE)).astype(int)]
    means = np.array([store[int(index)].mean((0, 1)) for index in chosen])
    mean, std = (tuple(np.round(values, 3).tolist()) for values in (means.mean(0), means.std(0)))
    return Statistics(len(chosen), mean, std)

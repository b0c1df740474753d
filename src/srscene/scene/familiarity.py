"""How far a scene lies from what the model was trained on, by colour alone.

A tile's mean R, G or B is compared with those of the training images: so many of their standard deviations
away. That finds another season, sensor or offset, and clouds; not what looks alike and is something else.
"""

import numpy as np
from numpy.typing import NDArray

from srscene.classify.statistics import Statistics
from srscene.raw.layout import BANDS

FAR = 3.0
"""Standard deviations from which on a scene counts as foreign: 0.3 % of a normal distribution."""
LEAST = 1.0
"""A standard deviation of fewer levels than that tells nothing."""


def distances(means: NDArray[np.floating], statistics: Statistics) -> NDArray[np.float32]:
    """Return (N, 3): standard deviations that the mean R, G, B (N, 3) of tiles lie above training's mean."""
    spread = np.maximum(statistics.std, LEAST)
    return ((means - np.array(statistics.mean)) / spread).astype(np.float32)


def compare(means: NDArray[np.floating], statistics: Statistics) -> str:
    """Return what to say of a scene whose tiles have these means (N, 3); a warning where it lies far away."""
    away = distances(means, statistics)
    whole = distances(means.mean(0, keepdims=True), statistics)[0]
    foreign = int((np.abs(away) > FAR).any(1).sum())
    numbers = "; ".join(
        f"{band} {mean:.0f} against {there:.0f} ± {spread:.0f}, {distance:+.1f} sd"
        for band, mean, there, spread, distance in zip(
            BANDS, means.mean(0), statistics.mean, statistics.std, whole, strict=True
        )
    )
    single = f"{foreign:,} of {len(away):,} tiles lie more than {FAR:g} sd away"
    if np.abs(whole).max() > FAR:
        return (
            f"warning: the scene lies outside of what the model saw ({numbers}); {single}. Its labels mean "
            "little: check --offset, --scale and --bands, or train on such land"
        )
    return f"mean tile against the training images, of 0 to 255: {numbers}; {single}"

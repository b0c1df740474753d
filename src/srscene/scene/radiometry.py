"""From a scene's stored numbers to 8-bit RGB as the models see it, and back.

reflectance · 10,000 = stored · 10,000 / scale + offset. Sentinel-2 L2A has the scale 10,000, and since
processing baseline 04.00 the offset -1000; the date tells nothing, since older scenes are reprocessed.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from srscene.ingest.reflectance import to_rgb

UNIT = 10_000
"""What stands for a reflectance of 1 in BigEarthNet, and in `reflectance_max`."""


@dataclass(frozen=True)
class Radiometry:
    """What the stored numbers of red, green and blue mean; and `reflectance_max`, which becomes 255."""

    scale: float
    """The stored number of a reflectance of 1, without the offset."""
    offset: tuple[float, float, float]
    """Added, in 1/10,000 of reflectance."""
    reflectance_max: int
    guessed: tuple[str, ...] = field(default=(), compare=False)
    """Which of scale and offset were."""

    def to_rgb(self, stored: NDArray) -> NDArray[np.uint8]:
        """Return stored numbers (3, H, W) as (H, W, 3) uint8: ingest's levels, to the byte.

        NaN becomes 0. Numbers not of 16 bits become floor((255 · x + 1/2) / reflectance_max): for whole x
        what ingest computes, and 1/2 is more than what float32 loses of x / 10,000.
        """
        offset = np.array(self.offset).reshape(3, 1, 1)
        if self.scale == UNIT and stored.dtype in (np.uint16, np.int16) and not np.any(offset % 1):
            whole = np.clip(stored.astype(np.int32) + offset.astype(np.int32), 0, 65_535).astype(np.uint16)
            return to_rgb(list(whole), self.reflectance_max)
        reflectance = stored.astype(np.float64) * (UNIT / self.scale) + offset
        levels = np.floor((255 * reflectance + 0.5) / self.reflectance_max)
        return np.ascontiguousarray(np.nan_to_num(levels.clip(0, 255)).astype(np.uint8).transpose(1, 2, 0))

    def from_rgb(self, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return 8-bit levels (H, W, 3) as stored numbers (3, H, W): each level's middle.

        So it is off by half a step at most, where the reflectance was from 0 to `reflectance_max`.
        """
        reflectance = (rgb.transpose(2, 0, 1) + 0.5) * (self.reflectance_max / 255)
        stored: NDArray[np.float64] = (reflectance - np.array(self.offset).reshape(3, 1, 1)) * (
            self.scale / UNIT
        )
        return stored

    @property
    def whole(self) -> bool:
        """Whether uint16 holds what `from_rgb` gives: from 0 to 65,535, in steps of at least 1."""
        one = self.scale / UNIT
        lowest, highest = -max(self.offset) * one, (self.reflectance_max - min(self.offset)) * one
        return lowest >= 0 and highest <= 65_535 and self.reflectance_max / 255 * one >= 1

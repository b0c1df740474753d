"""What all painters of one scene share: its light, its season, its lie of the land."""

from typing import NamedTuple

import numpy as np

from srscene.raw.landscape.textures import Field, Indices

Colour = tuple[float, float, float]
"""Reflectance × 10,000 in R, G, B."""


class Look(NamedTuple):
    """One scene's conditions."""

    rng: np.random.Generator
    angle: float
    """Main direction of fields, rows and streets, radians."""
    sun: tuple[float, float]
    """The way (dx, dy) that the shadow of something 10 m high falls, px."""
    lush: float
    """0 (parched) to 1 (wet spring)."""
    parcels: Indices
    """(S, S), the number of the field that a pixel lies in."""
    shore: Field
    """(S, S), distance from water to the nearest land, px; 0 on land."""

    def pick(self, colours: list[Colour], spread: float = 0.12) -> Colour:
        """Return one of `colours`, its brightness varied by `spread`."""
        colour = colours[self.rng.integers(len(colours))]
        gain = 1 + spread * self.rng.uniform(-1, 1)
        red, green, blue = (float(value * gain) for value in colour)
        return red, green, blue

    def grass(self) -> Colour:
        """Return the colour of this season's grass: straw to deep green."""
        dry, wet = np.array([1150, 1000, 560]), np.array([400, 770, 330])
        red, green, blue = dry + (wet - dry) * self.lush
        return float(red), float(green), float(blue)

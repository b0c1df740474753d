"""Water from above: its depth along the shore, ripples, swell, surf and boats."""

import numpy as np

from srscene.raw.landscape.look import Colour, Look
from srscene.raw.landscape.textures import Field, boxes, fractal, noise, paint, plain, ramp, stripes, turned


def still(look: Look, deep: Colour, shallow: Colour, reach: float) -> Field:
    """Return smooth water that turns from `shallow` to `deep` within `reach` px of the land."""
    tone = 1 + 0.05 * fractal(look.rng, 120) + 0.02 * noise(look.rng, 3)
    near = np.exp(-np.maximum(look.shore, 0) / reach).astype(np.float32)
    return paint(plain(deep, tone), near, plain(shallow, tone))


def boats(look: Look, canvas: Field, presence: float) -> Field:
    """Return `canvas` with white hulls of 2 × 5 px and their wakes on open water."""
    u, v = turned(look.angle + look.rng.uniform(0, np.pi))
    hulls = boxes(look.rng, u, v * 0.45, 42, (1.8, 2.6), presence, (0, 0))
    open_water = (look.shore > 6).astype(np.float32)
    return paint(canvas, hulls.roof * open_water, (2600, 2600, 2600))


def lake(look: Look) -> Field:
    """Dark fresh water with reeds along the bank."""
    canvas = still(look, look.pick([(110, 140, 165), (140, 190, 190), (100, 120, 150)]), (290, 350, 260), 3)
    reeds = ramp(fractal(look.rng, 25), 0.2, 0.6) * ramp(-look.shore, -7, -3)
    canvas = paint(canvas, 0.8 * reeds, plain((480, 600, 330), 1 + 0.15 * noise(look.rng, 2.5)))
    return boats(look, canvas, 0.03)


def river(look: Look) -> Field:
    """Flowing water, green or loaded with silt, with streaks and a pale gravel edge."""
    canvas = still(look, look.pick([(300, 400, 350), (420, 480, 400), (230, 320, 310)]), (640, 660, 520), 1.5)
    return boats(look, canvas * (1 + 0.04 * fractal(look.rng, 12)), 0.04)


def sea(look: Look) -> Field:
    """Blue water under a swell that shortens towards the land, lines of surf, boats."""
    canvas = still(look, look.pick([(190, 330, 520), (160, 290, 470), (230, 400, 560)]), (460, 800, 850), 28)
    swell = stripes(look.angle + 0.1 * noise(look.rng, 200), look.rng.uniform(11, 16), noise(look.rng, 70))
    canvas = canvas * (1 + 0.06 * swell + 0.05 * noise(look.rng, 4))
    distance = look.shore + 2.5 * noise(look.rng, 40)
    breakers = ramp(np.asarray(np.sin(distance * (2 * np.pi / 11)), np.float32), 0.55, 0.95)
    broken = ramp(fractal(look.rng, 18), -0.4, 0.6) * np.exp(-np.maximum(look.shore, 0) / 14)
    surf = np.maximum(breakers * broken, ramp(-look.shore, -3.5, -1))
    return boats(look, paint(canvas, 0.85 * surf, (2500, 2550, 2600)), 0.12)


def lagoon(look: Look) -> Field:
    """Shallow calm salt water over pale sediment and dark weed."""
    canvas = still(look, look.pick([(330, 560, 640), (300, 520, 560)]), (680, 900, 820), 16)
    weed = ramp(fractal(look.rng, 45, 4, 0.6), 0.5, 0.8)
    return boats(look, paint(canvas, 0.5 * weed, (220, 360, 400)), 0.08)


def estuary(look: Look) -> Field:
    """Turbid brackish water with plumes of silt and banks of mud."""
    canvas = still(look, look.pick([(620, 700, 640), (520, 640, 620)]), (880, 880, 740), 20)
    plumes = ramp(fractal(look.rng, 150, 6, 0.6), -1.0, 1.8)
    canvas = paint(canvas, 0.6 * plumes, (900, 880, 740))
    swell = stripes(look.angle, look.rng.uniform(10, 14), noise(look.rng, 60))
    return boats(look, canvas * (1 + 0.03 * swell), 0.08)

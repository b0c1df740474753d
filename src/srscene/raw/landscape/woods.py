"""Woods and shrubs from above: crowns, their lit and shaded sides, gaps, clearings."""

import numpy as np

from srscene.raw.landscape.look import Colour, Look
from srscene.raw.landscape.textures import Field, crowns, edges, fractal, noise, paint, plain, ramp

UNDERGROWTH: Colour = (200, 270, 150)
BROADLEAF: list[Colour] = [(330, 600, 260), (380, 650, 270), (290, 530, 240), (460, 620, 270)]
AUTUMN: list[Colour] = [(720, 560, 270), (620, 600, 280)]
CONIFER: list[Colour] = [(235, 340, 215), (205, 310, 195), (265, 365, 225)]


def canopy(look: Look, colour: Colour, spacing: float, variety: float) -> Field:
    """Return a closed canopy of trees about `spacing` px apart, whose crowns differ by `variety`."""
    trees = crowns(look.rng, spacing, look.sun, 0.97, (0.55, 0.9))
    tone = trees.light * (1 + variety * trees.tone) * (1 + 0.1 * fractal(look.rng, 70))
    canvas = paint(plain(UNDERGROWTH), 0.6 * trees.shadow, (110, 150, 100))
    return paint(canvas, trees.cover, plain(colour, tone))


def broadleaved(look: Look) -> Field:
    """Large round crowns, each its own green."""
    colour = look.pick(AUTUMN if look.lush < 0.35 and look.rng.random() < 0.3 else BROADLEAF)
    return canopy(look, colour, look.rng.uniform(4.6, 5.8), 0.26)


def coniferous(look: Look) -> Field:
    """Small dark pointed crowns in stands of different age, with rides and a few clear-cuts."""
    canvas = canopy(look, look.pick(CONIFER), look.rng.uniform(2.8, 3.4), 0.16)
    stand = 1 + 0.16 * look.rng.uniform(-1, 1, int(look.parcels.max()) + 1).astype(np.float32)
    canvas *= stand[look.parcels]
    return paint(canvas, 0.35 * edges(look.parcels, 0.6), (520, 560, 370))


def mixed(look: Look) -> Field:
    """Groups of broad-leaved crowns in a dark coniferous canopy."""
    share = ramp(fractal(look.rng, 45) + 0.5 * noise(look.rng, 6), -0.35, 0.35)
    dark = canopy(look, look.pick(CONIFER), 3.2, 0.16)
    return paint(dark, share, canopy(look, look.pick(BROADLEAF), 5.0, 0.24))


def agroforestry(look: Look) -> Field:
    """Dehesa: evergreen oaks, each with its shadow, strewn over dry grass."""
    dry = np.array(look.grass()) * 0.4 + np.array([1350, 1130, 680]) * 0.6
    ground = plain(dry.astype(np.float32), 1 + 0.1 * fractal(look.rng, 100) + 0.04 * noise(look.rng, 3))
    density = np.clip(0.5 + 0.25 * fractal(look.rng, 120), 0.15, 0.9)
    trees = crowns(look.rng, look.rng.uniform(7.5, 10), look.sun, density, (0.2, 0.34))
    canvas = paint(ground, 0.75 * trees.shadow, (330, 330, 230))
    return paint(canvas, trees.cover, plain((290, 380, 200), trees.light * (1 + 0.2 * trees.tone)))


def transitional(look: Look) -> Field:
    """Felled or regrowing woodland: brash, shrubs and young trees of patchy density."""
    tone = 1 + 0.16 * fractal(look.rng, 40) + 0.1 * noise(look.rng, 3)
    ground = plain(look.pick([(640, 650, 380), (720, 660, 430), (560, 640, 350)]), tone)
    density = np.clip(0.42 + 0.4 * fractal(look.rng, 42), 0.04, 0.95)
    trees = crowns(look.rng, 3.6, look.sun, density, (0.4, 0.75))
    canvas = paint(ground, 0.5 * trees.shadow, (250, 260, 170))
    return paint(canvas, 0.95 * trees.cover, plain((270, 420, 210), trees.light * (1 + 0.25 * trees.tone)))


def heath(look: Look) -> Field:
    """Moors: low shrub in brown, olive and heather, mottled at every scale, with bare paths."""
    tone = 1 + 0.16 * fractal(look.rng, 26, 4, 0.7) + 0.1 * noise(look.rng, 2.2)
    canvas = plain(look.pick([(700, 560, 430), (640, 500, 400)]), tone)
    canvas = paint(canvas, 0.6 * ramp(fractal(look.rng, 70), 0.1, 0.9), plain((480, 500, 320), tone))
    heather = ramp(fractal(look.rng, 50), 0.3, 0.8)
    return paint(canvas, 0.65 * heather, plain((760, 500, 540), tone))


def maquis(look: Look) -> Field:
    """Sclerophyllous shrubs: dark clumps so close that pale stony ground shows only between them."""
    ground = plain((1150, 980, 720), 1 + 0.12 * fractal(look.rng, 40) + 0.06 * noise(look.rng, 3))
    density = np.clip(0.75 + 0.25 * fractal(look.rng, 80), 0.3, 1.0)
    shrubs = crowns(look.rng, 3.0, look.sun, density, (0.35, 0.62))
    canvas = paint(ground, 0.3 * shrubs.shadow, (500, 450, 340))
    tone = shrubs.light * (1 + 0.3 * shrubs.tone)
    return paint(canvas, 0.9 * shrubs.cover, plain((470, 470, 300), tone))

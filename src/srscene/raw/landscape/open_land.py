"""Open natural land from above: grassland, rock, sand, bogs and marshes."""

import numpy as np

from srscene.raw.landscape.fields import parcels
from srscene.raw.landscape.look import Look
from srscene.raw.landscape.textures import (
    Field,
    X,
    Y,
    colour_field,
    crowns,
    edges,
    fractal,
    noise,
    paint,
    plain,
    ramp,
    stripes,
)


def grassland(look: Look) -> Field:
    """Thin upland grass, bleached on the ridges, with gullies and outcrops of pale rock."""
    tone = 1 + 0.09 * fractal(look.rng, 50, 5, 0.6)
    grass = np.array(look.grass()) * 0.5 + np.array([960, 960, 580]) * 0.5
    canvas = plain(grass.astype(np.float32), tone)
    canvas = paint(canvas, 0.5 * ramp(fractal(look.rng, 90), 0, 1.2), plain((1180, 1080, 720), tone))
    rock = ramp(fractal(look.rng, 40, 5, 0.65), 1.15, 1.5)
    return paint(canvas, 0.85 * rock, plain((1550, 1480, 1350), 1 + 0.2 * noise(look.rng, 2.5)))


def sparse(look: Look) -> Field:
    """Scree and rock with tufts of grass, furrowed down the slope."""
    furrows = noise(look.rng, 60)
    tone = 1 + 0.14 * fractal(look.rng, 24, 4, 0.75) + 0.1 * np.sin(6 * furrows + X / 9)
    cracks = ramp(-np.abs(fractal(look.rng, 22, 3)), -0.12, -0.03)
    tone += 0.13 * noise(look.rng, 2) - 0.3 * cracks
    canvas = plain(look.pick([(1450, 1370, 1220), (1250, 1180, 1080), (1550, 1350, 1080)]), tone)
    tufts = ramp(fractal(look.rng, 30, 5, 0.7), 0.2, 0.8)
    return paint(canvas, 0.75 * tufts, plain((760, 800, 480), 1 + 0.1 * noise(look.rng, 3)))


def sand(look: Look) -> Field:
    """Bright sand in ripples and dunes, wet and darker by the water, with tufts of marram."""
    ripples = stripes(look.angle + 0.3 * noise(look.rng, 150), look.rng.uniform(7, 10))
    tone = 1 + 0.07 * ripples + 0.07 * fractal(look.rng, 50) + 0.02 * noise(look.rng, 2.5)
    canvas = plain(look.pick([(2350, 2080, 1600), (2150, 1900, 1450), (2450, 2250, 1850)]), tone)
    tufts = crowns(look.rng, 4, look.sun, 0.5 * ramp(fractal(look.rng, 35), 0.6, 1.0), (0.3, 0.55))
    return paint(canvas, 0.8 * tufts.cover, plain((760, 820, 500), tufts.light))


def marsh(look: Look) -> Field:
    """Reeds in olive and straw around open pools."""
    tone = 1 + 0.1 * fractal(look.rng, 18) + 0.08 * noise(look.rng, 2.5)
    canvas = plain(look.pick([(560, 640, 370), (640, 640, 400)]), tone)
    canvas = paint(canvas, ramp(fractal(look.rng, 60), 0.0, 0.8), plain((860, 780, 500), tone))
    pools = ramp(fractal(look.rng, 28, 4, 0.55), 0.45, 0.6)
    return paint(canvas, pools, plain((150, 190, 190), 1 + 0.05 * noise(look.rng, 4)))


def peatbog(look: Look) -> Field:
    """A string bog: curved ridges of moss between dark wet hollows."""
    bend = 9 * noise(look.rng, 90) + 3 * noise(look.rng, 25)
    strings = np.sin(((X * np.cos(look.angle) + Y * np.sin(look.angle)) + bend) * (2 * np.pi / 13))
    tone = 1 + 0.1 * fractal(look.rng, 30) + 0.06 * noise(look.rng, 2.5)
    canvas = plain((760, 640, 370), tone)
    wet = ramp(np.asarray(strings, np.float32), 0.0, 0.7) * ramp(fractal(look.rng, 80), -0.7, 0.2)
    canvas = paint(canvas, 0.85 * wet, plain((260, 250, 200), tone))
    dwarf_pines = crowns(look.rng, 6, look.sun, 0.18 * ramp(fractal(look.rng, 60), -0.2, 0.6), (0.2, 0.35))
    return paint(canvas, dwarf_pines.cover, plain((250, 340, 200), dwarf_pines.light))


def salt_marsh(look: Look) -> Field:
    """Grey-green sward cut by branching tidal creeks with muddy banks."""
    tone = 1 + 0.1 * fractal(look.rng, 35) + 0.05 * noise(look.rng, 3)
    canvas = plain(look.pick([(650, 680, 480), (720, 700, 520)]), tone)
    canvas = paint(canvas, 0.6 * ramp(fractal(look.rng, 55), 0.2, 0.9), plain((860, 700, 560), tone))
    # creeks follow the zero lines of smooth noise: they wind and meet, as tidal creeks do
    main, side = np.abs(fractal(look.rng, 110, 3)), np.abs(fractal(look.rng, 42, 3))
    mud = np.maximum(ramp(-main, -0.16, -0.08), 0.8 * ramp(-side, -0.14, -0.07))
    water = np.maximum(ramp(-main, -0.09, -0.03), 0.7 * ramp(-side, -0.07, -0.02))
    canvas = paint(canvas, 0.8 * mud, plain((900, 860, 760), tone))
    return paint(canvas, water, (330, 420, 460))


def salines(look: Look) -> Field:
    """Salt pans: level basins from brine green over rose to crusted white, between straight dikes."""
    basins = parcels(look.rng, look.angle, 34, 48, 0)
    palette = np.array(
        [
            (520, 760, 820),
            (760, 900, 900),
            (1300, 900, 920),
            (1600, 1250, 1200),
            (2500, 2450, 2450),
            (420, 560, 600),
        ],
        np.float32,
    )
    colours = palette[look.rng.integers(len(palette), size=int(basins.max()) + 1)]
    canvas = colour_field(colours, basins) * (1 + 0.05 * fractal(look.rng, 40))
    return paint(canvas, edges(basins, 0.9), (1050, 950, 780))

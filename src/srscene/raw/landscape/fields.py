"""Farmland from above: colours of crops, rows, tramlines, margins and hedges."""

import numpy as np

from srscene.raw.landscape.look import Colour, Look
from srscene.raw.landscape.textures import (
    SIZE,
    Field,
    Indices,
    X,
    Y,
    boxes,
    colour_field,
    crowns,
    edges,
    fractal,
    noise,
    paint,
    plain,
    ramp,
    stripes,
    turned,
)

STUBBLE: Colour = (2000, 1700, 1180)
RIPE: Colour = (1560, 1330, 760)
SOIL: Colour = (1180, 900, 640)
DARK_SOIL: Colour = (720, 580, 440)
RED_SOIL: Colour = (1650, 1040, 700)
GREEN_CROP: Colour = (330, 640, 290)
DEEP_CROP: Colour = (240, 480, 270)
RAPESEED: Colour = (1150, 1300, 380)
HEDGE: Colour = (230, 400, 210)
TRACK: Colour = (1500, 1330, 1050)


def parcels(rng: np.random.Generator, angle: float, width: float, length: float, bend: float) -> Indices:
    """Return numbered fields (S, S): strips about `width` px wide, cut about every `length` px.

    They run along `angle` and wind by up to about `bend` px. Numbers are 0, 1, 2, … without gaps.
    """
    u, v = turned(angle)
    if bend:
        u, v = u + bend * noise(rng, 190), v + bend * noise(rng, 190)
    rows = np.cumsum(rng.uniform(0.55, 1.6, int(2.4 * SIZE / width) + 4) * width) - 1.2 * SIZE
    row = np.searchsorted(rows.astype(np.float32), v.ravel()).astype(np.int32).reshape(v.shape)
    start = rng.uniform(0, length, len(rows) + 1).astype(np.float32)
    pitch = (length * rng.uniform(0.6, 1.5, len(rows) + 1)).astype(np.float32)
    column = np.floor((u + SIZE + start[row]) / pitch[row]).astype(np.int32)
    number = row * 4096 + column
    taken = np.zeros(int(number.max()) + 1, np.int32)
    taken[number] = 1
    return (np.cumsum(taken, dtype=np.int32) - 1)[number]


def crops(look: Look, regions: Indices, palette: list[Colour], contrast: float = 0.12) -> Field:
    """Return fields, each in a colour of `palette`, with its own brightness, soil pattern and rows."""
    rng, count = look.rng, int(regions.max()) + 1
    colours = np.array(palette, np.float32)[rng.integers(len(palette), size=count)]
    colours = colours * rng.normal(1, contrast, (count, 1)).clip(0.7, 1.35)
    colours = colours * rng.normal(1, 0.05, (count, 3)).clip(0.85, 1.15)
    along = look.angle + rng.choice([0.0, np.pi / 2], count, p=[0.7, 0.3])
    turn = along.astype(np.float32)[regions]
    tone = 1 + 0.05 * fractal(rng, 90) + 0.03 * noise(rng, 3)
    tone += 0.05 * stripes(turn, 3.2)  # crop rows as the drill leaves them
    tramlines = ramp(stripes(turn, rng.uniform(8, 12)), 0.9, 0.95)
    return colour_field(colours, regions) * (tone - 0.1 * tramlines)


def arable(look: Look) -> Field:
    """Large fields in all states from bare soil to stubble, between grass margins and tracks."""
    wet = [GREEN_CROP, GREEN_CROP, DEEP_CROP, RAPESEED, SOIL, RIPE]
    dry = [STUBBLE, STUBBLE, RIPE, SOIL, DARK_SOIL, GREEN_CROP]
    canvas = crops(look, look.parcels, wet if look.lush > 0.6 else dry)
    return paint(canvas, 0.8 * edges(look.parcels), look.pick([TRACK, look.grass(), HEDGE]))


def irrigated(look: Look) -> Field:
    """Round fields under centre pivots, green on parched ground, with the wheels' rings."""
    ground = crops(look, look.parcels, [SOIL, STUBBLE, RIPE, RED_SOIL])
    cell = look.rng.uniform(125, 165)
    u, v = turned(look.angle)
    du, dv = (u % cell) - cell / 2, (v % cell) - cell / 2
    radius = np.hypot(du, dv)
    number = (np.floor(u / cell) + 31 * np.floor(v / cell)).astype(np.int32) % 97
    colours = np.array([GREEN_CROP, GREEN_CROP, DEEP_CROP, RAPESEED, RIPE], np.float32)
    crop = colour_field(colours[look.rng.integers(len(colours), size=97)], number)
    rings = 1 + 0.06 * np.sin(radius * (2 * np.pi / 9)) + 0.05 * fractal(look.rng, 60)
    return paint(ground, ramp(-radius, -cell * 0.47, -cell * 0.47 + 2), crop * rings)


def rice(look: Look) -> Field:
    """Small level basins, flooded or green, behind pale bunds."""
    basins = parcels(look.rng, look.angle, 24, 60, 2)
    canvas = crops(look, basins, [(380, 520, 480), (330, 480, 400), (360, 700, 320), (300, 620, 300)], 0.1)
    return paint(canvas, 0.9 * edges(basins, 0.6), (1100, 1080, 800))


def vineyards(look: Look) -> Field:
    """Rows of vines on bare soil: a comb of 10 m that the 10 m bands blur away."""
    regions = parcels(look.rng, look.angle, 55, 80, 4)
    ground = crops(look, regions, [SOIL, (1450, 1150, 830), RED_SOIL], 0.08)
    turn = look.angle + look.rng.uniform(-0.6, 0.6, int(regions.max()) + 1).astype(np.float32)
    rows = ramp(stripes(turn[regions], look.rng.uniform(3.6, 4.4)), -0.2, 0.5)
    return paint(paint(ground, 0.85 * rows, (360, 560, 260)), 0.8 * edges(regions), TRACK)


def groves(look: Look, spacing: tuple[float, float], tree: Colour, ground: list[Colour]) -> Field:
    """Trees planted on a lattice that turns a little from plot to plot."""
    regions = parcels(look.rng, look.angle, 90, 110, 4)
    canvas = crops(look, regions, ground, 0.08)
    pitch = look.rng.uniform(*spacing)
    trees = crowns(look.rng, pitch, look.sun, 0.94, (0.36, 0.46), 0.06, look.angle)
    canvas = paint(canvas, 0.5 * trees.shadow, (300, 280, 220))
    canvas = paint(canvas, 0.9 * trees.cover, plain(tree, trees.light * (1 + 0.12 * trees.tone)))
    return paint(canvas, 0.8 * edges(regions), TRACK)


def orchards(look: Look) -> Field:
    return groves(look, (4.5, 5.5), (300, 560, 240), [look.grass(), (700, 850, 420), SOIL])


def olives(look: Look) -> Field:
    return groves(look, (5.5, 7.0), (420, 500, 320), [RED_SOIL, (1550, 1250, 850), (1350, 1080, 720)])


def crops_among_trees(look: Look) -> Field:
    return groves(look, (7.0, 9.0), (360, 540, 270), [RIPE, GREEN_CROP, SOIL])


def pastures(look: Look) -> Field:
    """Meadows in many near-equal greens, between hedges of trees."""
    grass = np.array(look.grass()) * 0.45 + np.array([390, 790, 330]) * 0.55
    palette: list[Colour] = [
        tuple(float(value) for value in grass * np.array(tint))  # type: ignore[misc]
        for tint in ([1, 1, 1], [0.85, 0.92, 0.9], [1.25, 1.08, 1.1], [0.8, 1.05, 0.85])
    ]
    canvas = crops(look, look.parcels, palette, 0.06)
    canvas *= 1 + 0.06 * fractal(look.rng, 30)
    border = edges(look.parcels, 1.3)
    hedge = crowns(look.rng, 3.5, look.sun, 0.9 * ramp(border, 0.3, 0.6), (0.6, 0.9))
    canvas = paint(canvas, 0.5 * hedge.shadow, (180, 260, 150))
    return paint(canvas, hedge.cover, plain(HEDGE, hedge.light * (1 + 0.2 * hedge.tone)))


def patchwork(look: Look) -> Field:
    """Complex cultivation: plots of 30 to 80 m of everything, with sheds and trees."""
    plots = parcels(look.rng, look.angle, 11, 28, 3)
    palette = [GREEN_CROP, RIPE, SOIL, STUBBLE, DEEP_CROP, look.grass(), (620, 820, 380), DARK_SOIL]
    canvas = crops(look, plots, palette, 0.14)
    canvas = paint(canvas, 0.45 * edges(plots, 0.6), look.pick([HEDGE, TRACK]))
    trees = crowns(look.rng, 6, look.sun, 0.07, (0.35, 0.6))
    canvas = paint(canvas, trees.cover, plain(HEDGE, trees.light))
    sheds = boxes(look.rng, *turned(look.angle), 34, (4, 6.5), 0.35, look.sun)
    canvas = paint(canvas, 0.6 * sheds.shadow, (280, 290, 280))
    return paint(canvas, sheds.roof, plain((1700, 1150, 900), 0.85 + 0.4 * sheds.kind))


def fields_among_woods(look: Look) -> Field:
    """Agriculture with natural vegetation: small fields that round groves eat into."""
    plots = parcels(look.rng, look.angle, 42, 62, 8)
    canvas = crops(look, plots, [look.grass(), GREEN_CROP, RIPE, (560, 760, 380), SOIL], 0.1)
    wild = fractal(look.rng, 62, 4, 0.55)
    canvas = paint(canvas, 0.7 * ramp(wild, -0.1, 0.2), plain((560, 640, 340), 1 + 0.15 * noise(look.rng, 5)))
    density = np.maximum(ramp(wild, 0.1, 0.45), 0.7 * edges(plots, 1.0))
    trees = crowns(look.rng, 4.2, look.sun, density, (0.55, 0.85))
    canvas = paint(canvas, 0.55 * trees.shadow, (180, 230, 150))
    tone = trees.light * (1 + 0.22 * trees.tone + 0.05 * np.sin((X + Y) / 50))
    return paint(canvas, trees.cover, plain((270, 450, 220), tone))

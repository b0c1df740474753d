"""Built land from above: streets, roofs, yards, halls and their car parks."""

import cv2
import numpy as np
from numpy.typing import NDArray

from srscene.raw.landscape.look import Colour, Look
from srscene.raw.landscape.textures import (
    SIZE,
    Boxes,
    Field,
    boxes,
    colour_field,
    crowns,
    fractal,
    noise,
    paint,
    plain,
    ramp,
    soft,
    turned,
)

ASPHALT: Colour = (820, 800, 780)
RED_ROOFS = np.array([(1700, 980, 720), (1450, 900, 700), (1900, 1200, 900), (1250, 1050, 950)], np.float32)
GREY_ROOFS = np.array(
    [(1150, 1120, 1120), (1000, 980, 1000), (1600, 1500, 1400), (1450, 900, 700)], np.float32
)
FLAT_ROOFS = np.array(
    [(2900, 2950, 3000), (2300, 2350, 2400), (1900, 1880, 1850), (1250, 1350, 1600), (1500, 1480, 1450)],
    np.float32,
)


def streets(look: Look, block: float, width: float) -> tuple[Field, Field, Field]:
    """Return streets 0..1 around blocks of about `block` px, and the coordinates (u, v) that they follow."""
    u, v = turned(look.angle)
    u, v = u + 6 * noise(look.rng, 220), v + 6 * noise(look.rng, 220)
    long = block * look.rng.uniform(1.3, 2.0)
    across = np.minimum(np.abs((u + long / 2) % long - long / 2), np.abs((v + block / 2) % block - block / 2))
    return np.clip(width / 2 - across + 0.5, 0, 1), u, v


def town(look: Look, cell: float, presence: float, green: float) -> Field:
    """Houses one a `cell` of px along streets, in yards of which a share of `green` is planted."""
    road, u, v = streets(look, cell * int(look.rng.integers(2, 5)) + 3, 3.0)
    yard = plain(np.array(look.grass(), np.float32) * 0.9, 1 + 0.15 * fractal(look.rng, 14))
    paved = ramp(fractal(look.rng, 16), 2 * green - 1.1, 2 * green - 0.5)
    canvas = paint(yard, 0.85 * paved, plain((1150, 1080, 980), 1 + 0.1 * noise(look.rng, 3)))
    trees = crowns(look.rng, 4.5, look.sun, 0.35 * green, (0.35, 0.6))
    canvas = paint(canvas, 0.5 * trees.shadow, (220, 280, 190))
    canvas = paint(canvas, trees.cover, plain((250, 430, 210), trees.light * (1 + 0.2 * trees.tone)))
    houses = boxes(look.rng, u, v, cell, (0.45 * cell, 0.8 * cell), presence, look.sun)
    canvas = paint(canvas, 0.65 * houses.shadow, (260, 270, 290))
    palette = RED_ROOFS if look.rng.random() < 0.65 else GREY_ROOFS
    canvas = paint(canvas, houses.roof, roofs(palette, houses))
    return paint(canvas, road, plain(ASPHALT, 1 + 0.06 * noise(look.rng, 4)))


def old_town(look: Look) -> Field:
    return town(look, look.rng.uniform(7.5, 9), 0.97, 0.15)


def suburb(look: Look) -> Field:
    return town(look, look.rng.uniform(8.5, 11), 0.85, 0.7)


def industry(look: Look) -> Field:
    """Halls of 50 to 130 m under flat bright roofs, on concrete, beside rows of parked cars and lorries."""
    cell = look.rng.uniform(44, 58)
    road, u, v = streets(look, 2 * cell, 5.0)
    canvas = plain((1150, 1130, 1090), 1 + 0.12 * fractal(look.rng, 40) + 0.04 * noise(look.rng, 3))
    canvas = paint(
        canvas, 0.8 * ramp(fractal(look.rng, 45), 0.7, 0.9), plain(np.array(look.grass(), np.float32))
    )
    cars = boxes(look.rng, u, v, 3.2, (1.2, 2.2), 0.6, (0, 0))
    parking = ramp(fractal(look.rng, 40), 0.2, 0.35)
    canvas = paint(canvas, parking * cars.roof, plain((900, 900, 950), 0.5 + 2.2 * cars.kind))
    halls = boxes(look.rng, u, v, cell, (0.4 * cell, 0.92 * cell), 0.85, look.sun)
    tops = colour_field(FLAT_ROOFS, (halls.kind * len(FLAT_ROOFS)).astype(int))
    seams = 1 + 0.05 * np.sin(u * (2 * np.pi / 6)) + 0.03 * noise(look.rng, 8)
    canvas = paint(canvas, 0.65 * halls.shadow, (300, 310, 340))
    canvas = paint(canvas, halls.roof, tops * seams)
    return paint(canvas, road * (1 - halls.roof), plain(ASPHALT))


def hamlets(look: Look, canvas: Field, land: NDArray[np.bool_]) -> Field:
    """Return `canvas` with up to four groups of houses on `land`, each too small to earn a label."""
    spots = np.zeros((SIZE, SIZE), np.uint8)
    for spot in look.rng.integers(0, SIZE, (int(look.rng.integers(0, 5)), 2)):
        cv2.circle(spots, spot, int(look.rng.integers(7, 16)), 1, cv2.FILLED)
    if not spots.any():
        return canvas
    near = soft((spots * land).astype(np.float32), 1.5)
    canvas = paint(canvas, 0.5 * near, (900, 900, 700))
    houses = boxes(look.rng, *turned(look.angle), 9, (4, 7), 0.75, look.sun)
    canvas = paint(canvas, 0.65 * near * houses.shadow, (260, 270, 290))
    return paint(canvas, near * houses.roof, roofs(RED_ROOFS, houses))


def roofs(palette: NDArray[np.float32], houses: Boxes) -> Field:
    """Return the colour of each building, its two pitches lit differently."""
    return colour_field(palette, (houses.kind * len(palette)).astype(int)) * (1 + 0.12 * houses.ridge)

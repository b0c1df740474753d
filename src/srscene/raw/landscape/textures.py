"""What the painters of land cover are made of: noise, stripes, tree crowns, lattices of buildings.

All arrays are SIZE × SIZE at 2.5 m a pixel, y down, x right. Randomness comes from the generator alone.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 480
"""Pixels of 2.5 m along a patch of 1,200 m."""

Field = NDArray[np.float32]
"""(S, S), or (3, S, S) where it holds colours: reflectance × 10,000 in R, G, B."""

Indices = NDArray[np.int32]
Step = tuple[float, float]

Y, X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


def noise(rng: np.random.Generator, wavelength: float) -> Field:
    """Return smooth noise of mean 0 and standard deviation 1, its features about `wavelength` px wide."""
    return fractal(rng, wavelength, 1)


def fractal(rng: np.random.Generator, wavelength: float, octaves: int = 4, gain: float = 0.5) -> Field:
    """Return a sum of noises, each of half the wavelength and `gain` times the strength of the one before.

    Its mean is 0 and its standard deviation 1.
    """
    finest = wavelength / 2 ** (octaves - 1)  # px between the knots of the last octave
    cells = int(np.ceil(SIZE / finest)) + 6
    grid = np.zeros((cells, cells), np.float32)
    for octave in range(octaves):
        coarser = 2 ** (octaves - 1 - octave)
        knots = rng.standard_normal((-(-cells // coarser) + 1,) * 2, np.float32)
        side = len(knots) * coarser
        wave = cv2.resize(knots, (side, side), interpolation=cv2.INTER_CUBIC)
        left, top = rng.integers(0, side - cells + 1, 2)
        grid += np.float32(gain**octave) * wave[top : top + cells, left : left + cells]
    field = _enlarged(grid, finest)
    mean, deviation = cv2.meanStdDev(field)
    field -= np.float32(mean.item())
    field *= np.float32(1 / (deviation.item() + 1e-6))
    return field


def _enlarged(grid: Field, pitch: float) -> Field:
    """Return the middle (S, S) of a grid whose knots lie `pitch` px apart."""
    size = SIZE // 4 if pitch >= 16 else SIZE  # a quarter holds what is smooth, and costs a tenth
    side = round(len(grid) * pitch * size / SIZE)
    start = (side - size) // 2
    whole = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
    middle = whole[start : start + size, start : start + size]
    return np.array(cv2.resize(middle, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC), np.float32)


def turned(angle: float | Field) -> tuple[Field, Field]:
    """Return the coordinates (u, v) of a grid turned by `angle` radians about the patch's middle."""
    x, y = X - SIZE / 2, Y - SIZE / 2
    turn = np.asarray(angle, np.float32)
    cosine, sine = np.cos(turn), np.sin(turn)
    return cosine * x + sine * y, cosine * y - sine * x


def stripes(angle: float | Field, period: float | Field, phase: float | Field = 0.0) -> Field:
    """Return a wave from -1 to 1 across lines that run along `angle`, `period` px apart."""
    return np.asarray(np.sin(turned(angle)[1] * (2 * np.pi / period) + phase), np.float32)


def shifted(field: Field, step: Step) -> Field:
    """Return `field` moved by `step` = (dx, dy) px, to whole pixels; its edge repeats."""
    dx, dy = (round(value) for value in step)
    padded = cv2.copyMakeBorder(field, abs(dy), abs(dy), abs(dx), abs(dx), cv2.BORDER_REPLICATE)
    top, left = abs(dy) - dy, abs(dx) - dx
    return np.asarray(padded[top : top + SIZE, left : left + SIZE], np.float32)


def soft(field: Field, sigma: float) -> Field:
    """Return `field` blurred by a Gaussian of `sigma` px."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma), np.float32)


def ramp(field: Field, low: float, high: float) -> Field:
    """Return 0 below `low`, 1 above `high`, and a smooth step between."""
    t = np.clip((field - low) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def edges(regions: Indices, sigma: float = 0.8) -> Field:
    """Return about 1 on the borders between regions, 0 away from them."""
    border = np.zeros((SIZE, SIZE), np.float32)
    border[:, 1:] = regions[:, 1:] != regions[:, :-1]
    border[1:] = np.maximum(border[1:], regions[1:] != regions[:-1])
    return np.clip(soft(border, sigma) * 2, 0, 1)


class Crowns(NamedTuple):
    """Trees from above: cover 0..1, light about 1 on a crown, shadow 0..1 beside it, tone -1..1 a tree."""

    cover: Field
    light: Field
    shadow: Field
    tone: Field


def crowns(
    rng: np.random.Generator,
    spacing: float,
    sun: Step,
    density: float | Field = 1.0,
    radius: tuple[float, float] = (0.5, 0.75),
    jitter: float = 0.45,
    angle: float = 0.0,
) -> Crowns:
    """Return trees about `spacing` px apart on a jittered lattice, of which a share of `density` stands.

    `radius` bounds a crown's radius in units of `spacing`; `sun` is the way (dx, dy) that a shadow falls, px.
    """
    count = int(SIZE * 1.5 / spacing) + 2
    u, v = np.mgrid[0:count, 0:count].reshape(2, -1) - count / 2
    u, v = np.stack([u, v]) * spacing + rng.uniform(-jitter, jitter, (2, u.size)) * spacing
    turn = np.cos(angle) * u - np.sin(angle) * v, np.sin(angle) * u + np.cos(angle) * v
    spots = np.rint(np.stack(turn, -1) + SIZE / 2).astype(int)
    spots = spots[((spots >= 0) & (spots < SIZE)).all(1)]
    share = np.broadcast_to(np.asarray(density, np.float32), (SIZE, SIZE))[spots[:, 1], spots[:, 0]]
    spots = spots[rng.random(len(spots)) < share]
    ground = np.ones((SIZE, SIZE), np.uint8)
    ground[spots[:, 1], spots[:, 0]] = 0
    ground[0, 0] = 0  # never without a tree: the distance transform needs one
    distance, nearest = cv2.distanceTransformWithLabels(
        ground, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    trees = int(nearest.max()) + 1
    reach = (spacing * rng.uniform(*radius, trees)).astype(np.float32)[nearest]
    tone = rng.uniform(-1, 1, trees).astype(np.float32)[nearest]
    dome = np.sqrt(np.clip(1 - (distance / reach) ** 2, 0, 1))
    cover = np.clip((reach - distance) + 0.5, 0, 1)
    towards_sun = dome - shifted(dome, (-np.sign(sun[0]), -np.sign(sun[1])))
    shadow = np.clip(shifted(cover, sun) - cover, 0, 1)
    return Crowns(cover, np.asarray(1 - 0.45 * towards_sun, np.float32), shadow, tone)


class Boxes(NamedTuple):
    """Buildings from above: roof 0..1, shadow 0..1, kind 0..1 (random, one a building), ridge -1 or 1."""

    roof: Field
    shadow: Field
    kind: Field
    ridge: Field


def boxes(
    rng: np.random.Generator,
    u: Field,
    v: Field,
    cell: float,
    size: tuple[float, float],
    presence: float,
    sun: Step,
) -> Boxes:
    """Return one rectangle a lattice cell of `cell` px in the coordinates (u, v), for a share of `presence`.

    `size` bounds a side, in px; a rectangle stays within its cell. `sun` as in `crowns`.
    """
    side = 64  # cells along the tables of random numbers; the lattice repeats beyond them
    column, row = np.floor(u / cell), np.floor(v / cell)
    cells = (column.astype(np.int32) & (side - 1)) * side + (row.astype(np.int32) & (side - 1))
    half = rng.uniform(size[0] / 2, size[1] / 2, (2, side * side)).astype(np.float32)
    stands = rng.random(side * side) < presence
    half[:, ~stands] = -9
    room = np.clip(cell / 2 - half - 0.5, 0, None)
    middle = (rng.uniform(-1, 1, half.shape) * room).astype(np.float32)
    du = u - (column + 0.5) * cell - middle[0][cells]
    dv = v - (row + 0.5) * cell - middle[1][cells]
    roof = np.clip(half[0][cells] - np.abs(du) + 0.5, 0, 1) * np.clip(half[1][cells] - np.abs(dv) + 0.5, 0, 1)
    along_u = half[0] > half[1]
    ridge = np.sign(np.where(along_u[cells], dv, du))
    kind = rng.random(side * side, np.float32)[cells]
    shadow = np.clip(shifted(roof, sun) - roof, 0, 1)
    return Boxes(roof.astype(np.float32), shadow, kind, ridge)


def colour_field(table: NDArray[np.floating], numbers: NDArray[np.integer]) -> Field:
    """Return (3, S, S): for each pixel the row of `table` (n, 3) that `numbers` (S, S) names."""
    return np.ascontiguousarray(table.T, np.float32)[:, numbers]


def paint(canvas: Field, cover: Field, colour: Field | tuple[float, float, float]) -> Field:
    """Lay `colour`, R, G, B or (3, S, S), over `canvas` (3, S, S) where `cover` is 1, and return it."""
    for band, layer in zip(canvas, colour, strict=True):
        difference = np.asarray(layer, np.float32) - band
        difference *= cover
        band += difference
    return canvas


def plain(colour: tuple[float, float, float] | Field, tone: float | Field = 1.0) -> Field:
    """Return `colour` (R, G, B) all over, times `tone`, (3, S, S)."""
    shade = np.broadcast_to(np.asarray(tone, np.float32), (SIZE, SIZE))
    return np.asarray(colour, np.float32)[:, None, None] * shade

"""Where each class lies: kinds of landscape, their mosaics, rivers, lakes and coasts.

A scene is laid out from its generator alone. Fields decide where farmland ends; noise decides elsewhere.
"""

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from srscene.core.classes import CLASSES
from srscene.raw.bigearthnet import CORINE
from srscene.raw.landscape.fields import parcels
from srscene.raw.landscape.textures import SIZE, Field, Indices, X, Y, fractal, noise, turned

Cover = NDArray[np.uint8]
"""(S, S), index into CLASSES."""

URBAN, INDUSTRY, ARABLE, CROPS, PASTURE, COMPLEX, AGRI_NATURAL, AGROFOREST = range(8)
BROADLEAF, CONIFER, MIXED, GRASS, MOOR, TRANSITION, BEACH, WETLAND, SALTMARSH, INLAND, MARINE = range(8, 19)


class Kind(NamedTuple):
    """A kind of landscape: the weights of its classes, its waters, and how high and how green it is."""

    classes: dict[int, float]
    straight: bool
    """Do classes end at field borders, or along natural lines?"""
    waters: dict[Literal["", "river", "lake", "beach", "marsh"], float]
    relief: float
    """Strength of the hills' light and shade, 0..1."""
    lush: tuple[float, float]


KINDS: dict[str, Kind] = {
    "plain": Kind({ARABLE: 5, PASTURE: 1.5, URBAN: 1.5, BROADLEAF: 1, INDUSTRY: 0.7}, True,
                  {"": 0.6, "river": 0.4}, 0.1, (0.1, 0.9)),
    "bocage": Kind({PASTURE: 4, ARABLE: 1.5, COMPLEX: 1.5, BROADLEAF: 1.2, URBAN: 1}, True,
                   {"": 0.75, "lake": 0.25}, 0.25, (0.5, 1.0)),
    "mediterranean": Kind({CROPS: 4, MOOR: 1.7, COMPLEX: 1.7, BROADLEAF: 0.7, URBAN: 0.8}, True,
                          {"": 0.9, "river": 0.1}, 0.4, (0.0, 0.5)),
    "dehesa": Kind({AGROFOREST: 4.5, ARABLE: 1.2, MOOR: 1.2, TRANSITION: 1, CROPS: 0.8}, True,
                   {"": 0.75, "lake": 0.25}, 0.35, (0.0, 0.4)),
    "boreal": Kind({CONIFER: 3.5, MIXED: 1.8, TRANSITION: 2, WETLAND: 2}, False,
                   {"": 0.35, "lake": 0.65}, 0.15, (0.2, 0.8)),
    "hills": Kind({BROADLEAF: 2.5, MIXED: 2, AGRI_NATURAL: 2.5, PASTURE: 1.5}, True,
                  {"": 0.8, "river": 0.2}, 0.5, (0.3, 1.0)),
    "alpine": Kind({GRASS: 4, CONIFER: 1.8, MOOR: 1.6, TRANSITION: 1, PASTURE: 0.6}, False,
                   {"": 0.8, "lake": 0.2}, 1.0, (0.2, 0.8)),
    "city": Kind({URBAN: 3.5, INDUSTRY: 3, ARABLE: 1.2, BROADLEAF: 0.8}, True,
                 {"": 0.6, "river": 0.4}, 0.05, (0.3, 0.9)),
    "smallholdings": Kind({COMPLEX: 3, AGRI_NATURAL: 2.5, BROADLEAF: 1, URBAN: 1.2, CROPS: 1}, True,
                          {"": 0.9, "river": 0.1}, 0.3, (0.2, 0.8)),
    "sandy coast": Kind({GRASS: 1.5, MOOR: 1, URBAN: 1.4, PASTURE: 1.2, CONIFER: 1}, False,
                        {"beach": 1}, 0.2, (0.2, 0.8)),
    "marsh coast": Kind({ARABLE: 2, PASTURE: 2, URBAN: 0.6, SALTMARSH: 1}, True,
                        {"marsh": 1}, 0.05, (0.3, 0.9)),
    "lowland marsh": Kind({WETLAND: 3.2, PASTURE: 1.5, BROADLEAF: 1.2, TRANSITION: 1}, False,
                          {"lake": 0.5, "river": 0.5}, 0.05, (0.4, 0.9)),
}  # fmt: skip


class Scene(NamedTuple):
    """A landscape before it is painted. All fields are (S, S)."""

    kind: str
    cover: Cover
    looks: dict[int, str]
    """Class -> the CORINE class that it is here, for all classes in `cover`."""
    parcels: Indices
    shore: Field
    """Distance from water to the nearest land, px; 0 on land."""
    height: Field
    angle: float
    lush: float


def lay_out(rng: np.random.Generator, kind: str) -> Scene:
    """Return a random scene of a kind of KINDS."""
    land = KINDS[kind]
    angle = float(rng.uniform(0, np.pi))
    field = rng.uniform(48, 90)
    fields = parcels(rng, angle, field, field * rng.uniform(1.2, 2.4), rng.uniform(2, 14))
    cover = mosaic(rng, land, fields)
    water = str(rng.choice(list(land.waters), p=list(land.waters.values())))
    if water == "river":
        cover[river(rng)] = INLAND
    elif water == "lake":
        cover[lake(rng)] = INLAND
    elif water:
        coast(rng, cover, water == "marsh")
    wet = np.isin(cover, (INLAND, MARINE))
    shore = np.array(cv2.distanceTransform(wet.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)
    looks = {int(index): str(rng.choice(CORINE[CLASSES[index]])) for index in np.unique(cover)}
    if INLAND in looks:
        looks[INLAND] = "Water courses" if water == "river" else "Water bodies"
    height = 60 * land.relief * fractal(rng, 240, 6, 0.5)
    return Scene(kind, cover, looks, fields, shore, height, angle, float(rng.uniform(*land.lush)))


def mosaic(rng: np.random.Generator, land: Kind, fields: Indices) -> Cover:
    """Return regions of a landscape's classes; the heaviest class is always among them."""
    classes, weights = list(land.classes), np.array(list(land.classes.values()))
    count = int(rng.integers(5, 9))
    chosen = rng.choice(classes, count, p=weights / weights.sum())
    chosen[0] = classes[int(weights.argmax())]
    bend = 10 if land.straight else 30
    x, y = X + bend * fractal(rng, 110, 4), Y + bend * fractal(rng, 110, 4)
    nearest = np.full((SIZE, SIZE), np.inf, np.float32)
    cover = np.zeros((SIZE, SIZE), np.uint8)
    for index, (left, top) in zip(chosen, rng.uniform(0, SIZE, (count, 2)).astype(np.float32), strict=True):
        distance = (x - left) ** 2 + (y - top) ** 2
        cover[distance < nearest] = index
        nearest = np.minimum(nearest, distance)
    return _snapped(cover, fields) if land.straight else cover


def _snapped(cover: Cover, fields: Indices) -> Cover:
    """Return `cover` with each field given wholly to the class that has most of it."""
    votes = np.bincount(
        fields.ravel() * len(CLASSES) + cover.ravel(), minlength=(fields.max() + 1) * len(CLASSES)
    )
    winner = votes.reshape(-1, len(CLASSES)).argmax(1).astype(np.uint8)
    return np.asarray(winner[fields])


def river(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a winding river 30 to 110 m wide."""
    u, v = turned(float(rng.uniform(0, np.pi)))
    knots = np.linspace(-1.5 * SIZE, 1.5 * SIZE, 61)
    path = cv2.GaussianBlur(rng.standard_normal((1, 61)), (0, 0), 1.6)[0] * rng.uniform(60, 130)
    middle = np.interp(u, knots, path).astype(np.float32)
    middle = cv2.GaussianBlur(middle, (0, 0), 9) + rng.uniform(-90, 90)
    slope = np.hypot(1, np.interp(u, knots, np.gradient(path, knots)))
    width = rng.uniform(14, 44) * (1 + 0.15 * noise(rng, 120))
    return np.asarray(np.abs(v - middle) / slope < width / 2)


def lake(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a lake with bays and perhaps islands, about 250 to 700 m across."""
    left, top = rng.uniform(0.15, 0.85, 2) * SIZE
    radius = np.hypot(X - left, (Y - top) * rng.uniform(0.7, 1.4)) / rng.uniform(80, 150)
    return np.asarray(1 - radius + 0.42 * fractal(rng, 130, 5, 0.45) > 0)


def coast(rng: np.random.Generator, cover: Cover, marshy: bool) -> None:
    """Put the sea over one side of `cover`, behind a beach or a salt marsh."""
    out = turned(float(rng.uniform(0, 2 * np.pi)))[1] + rng.uniform(-60, 60)
    out = out + rng.uniform(14, 32) * fractal(rng, 230, 5, 0.42)
    width = rng.uniform(90, 190) if marshy else rng.uniform(26, 70)
    belt = width * (1 + 0.35 * noise(rng, 130))
    cover[(out > -belt) & (out <= 0)] = SALTMARSH if marshy else BEACH
    if marshy:
        cover[(out > -rng.uniform(10, 26)) & (out <= 0)] = BEACH
    cover[out > 0] = MARINE


def shares(cover: Cover) -> NDArray[np.float64]:
    """Return each class's share of the area, (19,)."""
    return np.bincount(cover.ravel(), minlength=len(CLASSES)) / cover.size

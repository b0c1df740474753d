"""Where on Earth a scene may lie, how it may be turned, and what it may lack: for tests of any of these."""

from typing import NamedTuple

import numpy as np
from affine import Affine
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray


class Place(NamedTuple):
    """A scene's CRS and transform, of pixels of 10 m."""

    crs: str
    transform: Affine


class Region(NamedTuple):
    """Of eastings and northings, in which corners are drawn."""

    west: int
    east: int
    south: int
    north: int


UTM_NORTH = Region(166_000, 834_000, 0, 9_320_000)
UTM_SOUTH = Region(166_000, 834_000, 1_120_000, 10_000_000)
EUROPE = Region(2_500_000, 7_400_000, 1_400_000, 5_500_000)
KINDS = {"UTM north": (32_600, UTM_NORTH), "UTM south": (32_700, UTM_SOUTH), "Europe's": (3035, EUROPE)}
"""The EPSG code before that of zone 1, or the code."""
WITHOUT_DATA = ("nothing", "a rectangle", "lone pixels", "a frame", "a corner", "all but a few", "all")


def some(examples: int) -> settings:
    """The same few examples each time, since each writes files."""
    return settings(max_examples=examples, deadline=None, derandomize=True)


def placed(crs: str, easting: float, northing: float, angle: float = 0, south_up: bool = False) -> Place:
    """Return the place of a first corner, turned around it by an angle in degrees."""
    corner = Affine.translation(easting, northing)
    return Place(crs, corner @ Affine.rotation(angle) @ Affine.scale(10, 10 if south_up else -10))


@st.composite
def places(draw: st.DrawFn, kind: str | None = None) -> Place:
    """In any zone of UTM, or in all Europe's CRS; from any corner, off round numbers; turned and mirrored."""
    code, region = KINDS[kind or draw(st.sampled_from(list(KINDS)))]
    if region is not EUROPE:
        code += draw(st.integers(1, 60))
    easting = draw(st.floats(region.west, region.east))
    northing = draw(st.floats(region.south, region.north))
    return placed(
        f"EPSG:{code}", easting, northing, draw(st.just(0.0) | st.floats(0, 360)), draw(st.booleans())
    )


def lacking(shape: str, height: int, width: int, seed: int) -> NDArray[np.bool_]:
    """(height, width): where there is no data, of one of the shapes `WITHOUT_DATA`."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    hole = np.zeros((height, width), bool)
    if shape == "a rectangle":
        (top, bottom), (left, right) = (np.sort(random.integers(0, side + 1, 2)) for side in (height, width))
        hole[top:bottom, left:right] = True
    elif shape == "lone pixels":
        hole = random.random((height, width)) < 0.02
    elif shape == "a frame":
        around = int(random.integers(1, 6))
        hole[:] = True
        hole[around : height - around, around : width - around] = False
    elif shape == "a corner":  # as at the edge of a satellite's swath
        hole = rows / height + columns / width * random.uniform(0.3, 3) < random.random()
    elif shape == "all but a few":
        hole[:] = True
        hole[random.integers(0, height, 5), random.integers(0, width, 5)] = False
    elif shape == "all":
        hole[:] = True
    return hole


def on_the_ground(transform: Affine, columns: NDArray, rows: NDArray) -> NDArray[np.float64]:
    """(2, …): eastings and northings of places in pixels."""
    matrix = np.array([[transform.a, transform.b], [transform.d, transform.e]])
    corner = np.array([transform.c, transform.f])
    return np.moveaxis(np.stack([columns, rows], -1) @ matrix.T + corner, -1, 0)

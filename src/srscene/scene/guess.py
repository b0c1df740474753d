"""What a scene's stored numbers mean where no product's metadata tell: by options, GDAL or a guess."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from srscene.runtime.console import BadInput, say
from srscene.scene.radiometry import UNIT, Radiometry

Read = Callable[[int, int, int, int], tuple[NDArray, NDArray[np.bool_]]]
"""Row, column, height and width of a window -> stored numbers (3, height, width), and where they are data."""
LOOKS, LOOK = (4, 16), 128
"""Windows along each side, more where the fewer see nothing, and their side in pixels."""
OFFSET = -1000.0
"""Of processing baseline 04.00 and later, in all bands that are read here."""
DARK = 900
"""With this offset, the darkest hundredth of a scene's pixels is seldom below it; without, seldom above."""
UNIT_RANGE = 2.0
"""Stored numbers up to it are reflectances, clouds and glints included."""


def radiometry_of(
    name: str,
    read: Read,
    shape: tuple[int, int],
    gdal: Sequence[tuple[float, float]],
    offset: float | None,
    scale: float | None,
    reflectance_max: int,
) -> Radiometry:
    """Return what the options say, or else GDAL, or else what some windows look like.

    `shape` is the scene's, (height, width); `gdal` is what GDAL tells of each band, a scale and an offset in
    units of what the scale gives. Raises BadInput where these can mean nothing, and where there is nothing to
    guess from.
    """
    if offset is not None and scale is not None:
        return Radiometry(scale, (offset, offset, offset), reflectance_max)
    scales, offsets = zip(*gdal, strict=True)
    told = f"{name}: GDAL's scales of its bands are {_listed(scales)}, its offsets {_listed(offsets)}"
    if len({*scales}) > 1 or not 0 < scales[0] < math.inf:
        raise BadInput(f"{told}; expected one scale above 0 for all; say what holds by --scale and --offset")
    if scales[0] != 1:
        found, unit = Radiometry(scale or 1 / scales[0], (0, 0, 0), reflectance_max), float(UNIT)
    elif any(offsets):
        found = assumed(name, _sample(read, shape), offset or 0, scale, reflectance_max)
        unit = UNIT / found.scale
    else:
        return assumed(name, _sample(read, shape), offset, scale, reflectance_max)
    red, green, blue = [value * unit for value in offsets] if offset is None else [offset] * 3
    if offset is None and not max(abs(red), abs(green), abs(blue)) <= UNIT:
        raise BadInput(
            f"{told}; expected offsets of at most 1 in reflectance; say what holds by --scale and --offset"
        )
    return replace(found, offset=(red, green, blue))


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _sample(read: Read, shape: tuple[int, int]) -> NDArray:
    """Return stored numbers (3, n) of data, but no black, which tells nothing, from all over the scene."""
    height, width = (min(LOOK, side) for side in shape)
    for looks in LOOKS:
        found = []
        for row in sorted({*np.linspace(0, shape[0] - height, looks, dtype=int).tolist()}):
            for column in sorted({*np.linspace(0, shape[1] - width, looks, dtype=int).tolist()}):
                stored, valid = read(row, column, height, width)
                found.append(stored[:, valid & stored.any(0)])
        sample = np.concatenate(found, axis=1)
        if sample.size:
            break
    return sample


def assumed(
    name: str, sample: NDArray, offset: float | None, scale: float | None, reflectance_max: int
) -> Radiometry:
    """Return the radiometry of a file that does not tell its own, and say what was assumed.

    `sample` holds some valid stored numbers (3, n) of it. `offset` and `scale`, where given, decide. Raises
    BadInput for numbers of 8 bits, which can mean anything, unless `scale` says what they mean, and for an
    empty sample.
    """
    guessed = {}
    if scale is None and sample.dtype.itemsize == 1:
        raise BadInput(
            f"{name}: numbers of 8 bits, a picture, expected reflectance of 16 bits or floats; give that, or "
            "say with --scale which number stands for a reflectance of 1"
        )
    if not sample.size and (scale is None or offset is None):
        raise BadInput(
            f"{name}: nothing but black and no data where it was looked at, expected land, to tell its "
            "radiometry by; say it: --scale 10000, or 1, and --offset 0, or -1000"
        )
    if scale is None:
        is_unit = sample.dtype.kind == "f" and np.percentile(sample, 99) <= UNIT_RANGE
        scale = 1.0 if is_unit else float(UNIT)
        guessed["scale"] = f"{scale:,.0f} for a reflectance of 1 (--scale)"
    if offset is None:
        dark = min(np.percentile(sample, 1, axis=1)) * UNIT / scale
        offset = OFFSET if dark >= DARK else 0.0
        guessed["offset"] = (
            f"offset {offset:.0f}, as its darkest hundredth is {dark:,.0f} (--offset 0 or -1000)"
        )
    if guessed:
        say(f"{name}: does not tell its radiometry, so this is assumed: {' and '.join(guessed.values())}")
    return Radiometry(scale, (offset, offset, offset), reflectance_max, tuple(guessed))

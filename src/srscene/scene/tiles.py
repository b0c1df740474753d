"""A scene cut into tiles of one size, and a row of them upscaled.

Windows are the tiles' cores with a halo around. At the scene's edge they are shifted inwards, so that all are
equally large and none sees more of an edge than the whole scene has.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from srscene.scene.source import Scene

Pixels = NDArray[np.uint8]
"""(H, W, 3)."""
Valid = NDArray[np.bool_]
"""(H, W): where there is data."""
SMALLEST = 64
"""Pixels along a side that every upscaler takes: HAT mirrors up to 15, SeeSR looks for things in them."""


class Span(NamedTuple):
    """One tile along one axis: the window [start, stop), in which [core.start, core.stop) is its own."""

    start: int
    stop: int
    core: range


@dataclass(frozen=True)
class Axis:
    """Tiles along one axis of `size` pixels."""

    size: int
    tile: int
    halo: int

    def __len__(self) -> int:
        return -(-self.size // self.tile)

    def __getitem__(self, index: int) -> Span:
        core = range(index * self.tile, min((index + 1) * self.tile, self.size))
        side = min(self.tile + 2 * self.halo, self.size)
        start = min(max(core.start - self.halo, 0), self.size - side)
        return Span(start, start + side, core)

    def seams(self) -> range:
        """Return where one tile's core meets the next one's."""
        return range(self.tile, self.size, self.tile)


class Tile(NamedTuple):
    """An upscaled window; `pixels` are `scale` times as many as `valid`."""

    rows: Span
    columns: Span
    pixels: Pixels
    valid: Valid


Run = Callable[[Sequence[Pixels], Sequence[str]], Sequence[Pixels]]
"""Windows of one size, at most a batch of them, and their names -> the windows upscaled."""


def row_of_tiles(scene: Scene, rows: Span, columns: Axis, scale: int, batch: int, run: Run) -> Iterator[Tile]:
    """Yield a row's tiles, upscaled, from the first column on. Where there is no data, nothing is computed.

    What is no data inside a window is filled with the nearest pixel that is, as if the scene ended there.
    """
    waiting: list[tuple[Span, Pixels, Valid]] = []
    for index in range(len(columns)):
        span = columns[index]
        waiting.append(
            (span, *scene.read(rows.start, span.start, rows.stop - rows.start, span.stop - span.start))
        )
        if len(waiting) == batch or index == len(columns) - 1:
            todo = [
                (filled(rgb, valid), f"{rows.start},{span.start}")
                for span, rgb, valid in waiting
                if valid.any()
            ]
            done = iter(run([window for window, _ in todo], [name for _, name in todo]) if todo else ())
            for span, rgb, valid in waiting:
                nothing = np.zeros((scale * rgb.shape[0], scale * rgb.shape[1], 3), np.uint8)
                yield Tile(rows, span, next(done) if valid.any() else nothing, valid)
            waiting = []


def filled(rgb: Pixels, valid: Valid) -> Pixels:
    """Return `rgb` with the nearest valid pixel's colour where there is no data, if there is any."""
    if valid.all() or not valid.any():
        return rgb
    rows, columns = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return np.ascontiguousarray(rgb[rows, columns])


def padded(windows: Pixels, least: int) -> Pixels:
    """Return windows (N, H, W, 3) with their last row and column repeated up to a side of `least`."""
    below, right = (max(0, least - side) for side in windows.shape[1:3])
    return np.pad(windows, ((0, 0), (0, below), (0, right), (0, 0)), "edge") if below or right else windows


def enlarged(valid: Valid, scale: int) -> Valid:
    """Return `valid` with each pixel as a block of scale × scale."""
    return valid.repeat(scale, 0).repeat(scale, 1)


def give_back() -> None:
    """Return freed memory to the system: glibc keeps it, in holes that the next tile's arrays do not fit."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)

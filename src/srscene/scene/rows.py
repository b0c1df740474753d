"""Rows of tiles become pieces: cut to their cores, or faded into one another."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from srscene.runtime.console import progress
from srscene.runtime.parts import kept, piece
from srscene.scene.cog import Layout, RowWriter, row_writer
from srscene.scene.seams import fade
from srscene.scene.source import Scene
from srscene.scene.tiles import Axis, Pixels, Run, Tile, enlarged, give_back, row_of_tiles
from srscene.sr.common.upscaler import Seams


@dataclass
class Rows:
    """Pieces of a scene, upscaled, in a folder; those that are there from an earlier run are kept."""

    scene: Scene
    seams: Seams
    scale: int
    layout: Layout
    folder: Path

    def __post_init__(self) -> None:
        self.rows = Axis(self.scene.height, self.seams.tile, self.seams.halo)
        self.columns = Axis(self.scene.width, self.seams.tile, self.seams.halo)

    def pieces(self) -> list[tuple[Path, int]]:
        """Return the pieces, first to last, and their heights in pixels of the output."""
        owned = [self.owned(self.rows, index) for index in range(len(self.rows))]
        return [(self._path(index), len(rows) * self.scale) for index, rows in enumerate(owned)]

    def write(self, batch: int, run: Run) -> None:
        """Write the pieces that are not there; `run` upscales windows, at most `batch` at once."""
        todo = [index for index in range(len(self.rows)) if not kept(self._path(index))]
        total, across = len(self.rows) * len(self.columns), len(self.columns)
        bar: tqdm[Any]
        with progress([], "upscale", "tile", total, total - len(todo) * across) as bar:
            for index in todo:
                height = len(self.owned(self.rows, index)) * self.scale
                with piece(self._path(index)) as path, row_writer(path, self.layout, height) as writer:
                    self._write_row(index, lambda row: self._tiles(row, batch, run, bar), writer)

    def owned(self, axis: Axis, index: int) -> range:
        """Return which pixels of an axis come into the piece, or into the column, of this number."""
        return axis[index].core

    def _write_row(self, index: int, tiles: Callable[[int], Iterable[Tile]], writer: RowWriter) -> None:
        rows = self.owned(self.rows, index)
        for number, tile in enumerate(tiles(index)):
            columns = self.owned(self.columns, number)
            self._put(writer, tile, rows, columns, self._part(tile, rows, columns))

    def _put(self, writer: RowWriter, tile: Tile, rows: range, columns: range, pixels: Pixels) -> None:
        valid = tile.valid[
            rows.start - tile.rows.start : rows.stop - tile.rows.start,
            columns.start - tile.columns.start : columns.stop - tile.columns.start,
        ]
        writer.write(columns.start * self.scale, pixels, enlarged(valid, self.scale))

    def _part(self, tile: Tile, rows: range, columns: range) -> Pixels:
        """Return the pixels of a part of the scene that the tile holds."""
        top, left = (
            (rows.start - tile.rows.start) * self.scale,
            (columns.start - tile.columns.start) * self.scale,
        )
        return tile.pixels[top : top + len(rows) * self.scale, left : left + len(columns) * self.scale]

    def _tiles(self, index: int, batch: int, run: Run, bar: "tqdm[Any]") -> Iterator[Tile]:
        for tile in row_of_tiles(self.scene, self.rows[index], self.columns, self.scale, batch, run):
            yield tile
            give_back()
            bar.update()

    def _path(self, index: int) -> Path:
        return self.folder / f"rows-{index:05}.tif"


@dataclass
class BlendedRows(Rows):
    """Within `halo` pixels of where two cores meet, one tile fades into the next: a piece begins there."""

    tails: dict[int, Pixels] = field(default_factory=dict)
    """Of the last row of tiles: what fades into the row of this number, as wide as the output."""

    def owned(self, axis: Axis, index: int) -> range:
        core = axis[index].core
        start = core.start - self.seams.halo if index else 0
        return range(start, axis.size if index == len(axis) - 1 else core.stop - self.seams.halo)

    def _write_row(self, index: int, tiles: Callable[[int], Iterable[Tile]], writer: RowWriter) -> None:
        if index and index not in self.tails:  # an earlier run wrote the row above, and took its tail along
            for _ in self._blended(index - 1, tiles(index - 1)):
                pass
        above = self.tails.pop(index, None)
        rows = self.owned(self.rows, index)
        for tile, columns, pixels in self._blended(index, tiles(index)):
            part = pixels[(rows.start - tile.rows.start) * self.scale :][: len(rows) * self.scale]
            if above is not None:
                left = columns.start * self.scale
                part = self._faded(above[:, left : left + pixels.shape[1]], part)
            self._put(writer, tile, rows, columns, part)

    def _blended(self, index: int, tiles: Iterable[Tile]) -> Iterator[tuple[Tile, range, Pixels]]:
        """Yield a row's tiles, the columns they own, and those pixels in all their rows; keep the tail."""
        below = self._zone(self.rows, index + 1)
        tail = np.zeros((len(below) * self.scale, self.layout.width, 3), np.uint8)
        left: Pixels | None = None
        for number, tile in enumerate(tiles):
            columns = self.owned(self.columns, number)
            window = range(tile.rows.start, tile.rows.stop)
            pixels = self._part(tile, window, columns)
            if left is not None:
                pixels = self._faded(left.swapaxes(0, 1), pixels.swapaxes(0, 1)).swapaxes(0, 1)
            left = self._part(tile, window, self._zone(self.columns, number + 1))
            if below:
                start = columns.start * self.scale
                lowest = pixels[(below.start - tile.rows.start) * self.scale :][: len(tail)]
                tail[:, start : start + pixels.shape[1]] = lowest
            yield tile, columns, pixels
        self.tails = {index + 1: tail}

    def _zone(self, axis: Axis, index: int) -> range:
        """Return where the tile of this number fades in; nothing behind the last one."""
        middle, halo = index * axis.tile, self.seams.halo
        return range(middle - halo, min(middle + halo, axis.size)) if index < len(axis) else range(0)

    def _faded(self, old: Pixels, new: Pixels) -> Pixels:
        """Return `new` with `old` fading into its first rows."""
        zone = fade(old, new[: len(old)], 2 * self.seams.halo * self.scale)
        return np.concatenate([zone, new[len(old) :]])

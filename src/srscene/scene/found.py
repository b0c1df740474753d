"""What is found in a scene's tiles, kept in pieces: a run that was killed goes on behind them."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from srscene.core.scratch import kept, piece

SECONDS = 30.0
"""A kill loses at most this much work, and a batch."""


class Found(NamedTuple):
    """Of N tiles: first rows and columns (N,) in the scene, shares of data (N,) 0..1, probabilities (N, 19),
    and means (N, 3) of R, G, B, 0..255.
    """

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    valid: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    means: NDArray[np.float32]


def joined(parts: Sequence[Found]) -> Found:
    return Found(*(np.concatenate(values) for values in zip(*parts, strict=True)))


class Pieces:
    """What is found, batch by batch, in the order of the grid's tiles; a context manager.

    `folder` is scratch; what an earlier run left there counts. Each piece is named after the first tile that
    it may hold and the first that it can't.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stop = 0
        """Tiles of the grid that are behind."""
        self.found: list[Found] = []
        while path := self._next():
            with np.load(path) as arrays:
                self.found.append(Found(**arrays))
            self.stop = int(path.stem.rpartition("-")[2])
        self._safe, self._safe_stop = len(self.found), self.stop
        self._saved_at = time.monotonic()

    def __enter__(self) -> "Pieces":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._safe < len(self.found):
            self._save()

    def add(self, found: Found, stop: int) -> None:
        """Add what comes next; all tiles of the grid before `stop` are behind then."""
        self.found.append(found)
        self.stop = stop
        if time.monotonic() - self._saved_at > SECONDS:
            self._save()

    def _next(self) -> Path | None:
        return next((path for path in self.folder.glob(f"tiles-{self.stop}-*.npz") if kept(path)), None)

    def _save(self) -> None:
        new = joined(self.found[self._safe :])
        with (
            piece(self.folder / f"tiles-{self._safe_stop}-{self.stop}.npz") as temporary,
            temporary.open("wb") as file,
        ):
            np.savez(file, **new._asdict())
        self._safe, self._safe_stop = len(self.found), self.stop
        self._saved_at = time.monotonic()

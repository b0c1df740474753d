"""What is found in a scene's tiles, kept in pieces: a run that was killed goes on behind them."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from srscene.runtime.parts import kept, piece

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
        self._done: list[tuple[Found, int]] = []
        while path := self._next():
            with np.load(path) as arrays:
                self._done.append((Found(**arrays), _stop(path)))
        self._safe = len(self._done)
        self._saved_at = time.monotonic()

    @property
    def found(self) -> list[Found]:
        return [found for found, _ in self._done]

    @property
    def stop(self) -> int:
        """Tiles of the grid that are behind."""
        return self._done[-1][1] if self._done else 0

    def __enter__(self) -> "Pieces":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._safe < len(self._done):
            self._save()

    def add(self, found: Found, stop: int) -> None:
        """Add what comes next; all tiles of the grid before `stop` are behind then."""
        self._done.append((found, stop))  # in one step: an interrupt leaves both or neither
        if time.monotonic() - self._saved_at > SECONDS:
            self._save()

    def _next(self) -> Path | None:
        paths = self.folder.glob(f"tiles-{self.stop}-*.npz")
        return next((path for path in paths if _stop(path) > self.stop and kept(path)), None)

    def _save(self) -> None:
        first = self._done[self._safe - 1][1] if self._safe else 0
        new = joined([found for found, _ in self._done[self._safe :]])
        path = self.folder / f"tiles-{first}-{self.stop}.npz"
        with piece(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **new._asdict())
        self._safe, self._saved_at = len(self._done), time.monotonic()


def _stop(path: Path) -> int:
    """Return the first tile that a piece can't hold, out of its name."""
    return int(path.stem.rpartition("-")[2])

"""How the seams between tiles are hidden, and how strong they are.

A convolutional network's output depends on its neighbourhood alone: with a halo of that reach around each
tile, cut off afterwards, the tiles are what the network makes of the whole scene. docs/scene.md has the
reaches that `benchmarks/halo.py` measured; `Upscaler.seams` holds them. HAT's channel attention averages over
all that it is given, and SeeSR draws each tile with a noise of its own: there, neighbours overlap by twice
the halo, and one fades into the other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

LOOKS = 8
"""Seams each way that `strength` looks at."""


def fade(old: NDArray[np.uint8], new: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """Return `old` (n, …) fading linearly into `new` along the first axis, over `length` rows, of which there
    may be fewer.
    """
    weight = ((np.arange(len(old)) + 0.5) / length).astype(np.float32).reshape(-1, *[1] * (old.ndim - 1))
    return np.rint(old + (new.astype(np.float32) - old) * weight).astype(np.uint8)


def strength(file: Any, rows: range, columns: range, halo: int, scale: int) -> float | None:
    """Return the mean gradient across seams over that elsewhere: 1 where no seam is to be seen.

    `file` is an open image of three bands, `scale` times as large as its scene; tiles meet at `rows` and
    `columns`. Looked at are windows around up to LOOKS² places where four tiles meet, in them the differences
    between neighbours that lie in different pixels of the scene. Those at a seam, and where fading begins and
    ends, count as across. None where there is no seam, or nothing but one colour.
    """
    steps: dict[bool, list[NDArray]] = {True: [], False: []}
    for row in _spread(rows) or [file.height // scale // 2]:
        for column in _spread(columns) or [file.width // scale // 2]:
            top, left = (max(0, (at - rows.step // 2) * scale) for at in (row, column))
            window = Window(
                left,
                top,
                min(rows.step * scale, file.width - left),
                min(rows.step * scale, file.height - top),
            )
            pixels = file.read(window=window, masked=True).astype(np.float32)
            for image, seams, start in ((pixels, columns, left), (pixels.swapaxes(1, 2), rows, top)):
                places = np.arange(start // scale + 1, (start + image.shape[2] - 1) // scale + 1)
                inside = places * scale - start
                change = np.ma.abs(image[..., inside] - image[..., inside - 1])
                across = np.isin(places, [seam + off for seam in seams for off in (-halo, 0, halo)])
                for is_across in steps:
                    steps[is_across].append(change[..., across == is_across].compressed())
    across, elsewhere = (np.concatenate(steps[is_across]) for is_across in (True, False))
    return float(across.mean() / elsewhere.mean()) if across.size and elsewhere.any() else None


def _spread(seams: range) -> list[int]:
    """Return up to LOOKS of the seams, the first and the last among them."""
    return (
        sorted({seams[index] for index in np.linspace(0, len(seams) - 1, LOOKS, dtype=int)}) if seams else []
    )

"""The picture of a map: the scene beside the most probable label of each tile."""

from itertools import product
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from srscene import figures
from srscene.core.classes import CLASSES, short_label
from srscene.core.store import Image
from srscene.scene.cut import BLOCK
from srscene.scene.source import Scene
from srscene.scene.tile_map import TileMap

LONGEST = 1200
"""Pixels of the scene's longer side as it is shown; a larger scene is averaged."""
FEWEST = 10
"""Letters of a label for which a tile must have room, or none is written into it."""
LETTER, LINE = 0.051, 0.11
"""Inches that a letter of such a label is wide, and a line high, at most."""
PANEL = figures.WIDTH * 0.65
"""Inches that each of the two pictures is wide."""
LEGEND = 4
"""Its columns."""
BAR = (0.2, 0.5, 1, 2, 5, 10, 20, 50)
"""km, of which the scale bar has one."""
COLOURS = (
    "#e6004d", "#b54de0", "#ffeb85", "#e68000", "#c9d63f", "#d3a12f", "#a9803c", "#f0b98d",
    "#6fbf2b", "#0b7a2c", "#3f9c6b", "#b5e08a", "#8f9a4f", "#8fd15a", "#f5ecd5", "#8585e8",
    "#c9b8f2", "#35c4e0", "#1f5fbf",
)  # fmt: skip
"""Of CLASSES: CORINE's own, apart where those are too much alike for a map of squares."""
DARKEST = -160
"""Grey that would be black, out of 255: below tiles the scene is pale, so that colours stay what they are."""
SURE, UNSURE = 0.62, 0.25
"""Opacity of a tile whose most probable class is predicted, and of one where nothing is."""


def draw(scene: Scene, tiles: TileMap, path: Path) -> None:
    """Draw the scene, and beside it the tiles over its grey, to `path` (PNG)."""
    image, height, width = shrunk(scene), scene.height, scene.width
    entries = legend(tiles)
    size = (2 * PANEL, PANEL * min(2.5, height / width) + 0.55 + 0.2 * -(-len(entries) // LEGEND))
    figure, (left, right) = plt.subplots(1, 2, figsize=size, layout="constrained")
    for axes in (left, right):
        axes.set_axis_off()
        axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    left.imshow(image, extent=(0, width, height, 0), interpolation="antialiased")
    left.set_title(f"{Path(scene.name).stem}: B04, B03, B02")
    _scale_bar(left, width, height)
    show_tiles(right, image, tiles)
    backbone, sr = (tiles.provenance[name] for name in ("backbone", "sr"))
    right.set_title(f"most probable label; {backbone}, sr: {sr}")
    figure.legend(handles=entries, loc="outside lower center", ncols=LEGEND, fontsize=8, handlelength=1.2)
    figures.save(figure, path)


def shrunk(scene: Scene, longest: int = LONGEST) -> Image:
    """Return the scene (h, w, 3), averaged so that no side exceeds `longest`; white without data.

    Of a scene so narrow that nothing of its width would be left, the longer side stays longer.
    """
    factor = min(-(-max(scene.height, scene.width) // longest), scene.height, scene.width)
    side = max(1, BLOCK // factor)
    height, width = scene.height // factor, scene.width // factor
    image = np.empty((height, width, 3), np.uint8)
    for row, column in product(range(0, height, side), range(0, width, side)):
        part = image[row : row + side, column : column + side]
        rows, columns = part.shape[:2]
        pixels, valid = scene.read(row * factor, column * factor, rows * factor, columns * factor)
        pixels[~valid] = 255
        part[:] = pixels.reshape(rows, factor, columns, factor, 3).mean((1, 3)).round()
    return image


def show_tiles(axes: Axes, image: Image, tiles: TileMap, inches: float = PANEL) -> None:
    """Draw the tiles over the grey of the scene's `image` (h, w, 3); `axes` is in the scene's pixels, and so
    many inches wide.
    """
    grid = tiles.grid
    grey = image @ np.array([0.299, 0.587, 0.114])
    extent = (0, grid.width, grid.height, 0)
    axes.imshow(grey, "gray", extent=extent, vmin=DARKEST, vmax=255, interpolation="antialiased")
    rows, columns = tiles.cells
    picture: NDArray[np.float64] = np.zeros((len(grid.rows), len(grid.columns), 4))
    picture[rows, columns, :3] = np.array([to_rgb(colour) for colour in COLOURS])[tiles.top]
    picture[rows, columns, 3] = np.where(tiles.labels.any(1), SURE, UNSURE)
    start = grid.shift + (grid.size - grid.stride) / 2
    right, below = start + len(grid.columns) * grid.stride, start + len(grid.rows) * grid.stride
    axes.imshow(picture, extent=(start, right, below, start), interpolation="nearest")
    side = inches * grid.stride / grid.width
    letters, lines = int(side / LETTER) - len(" 0.00"), int(side / LINE)
    if letters >= FEWEST:
        for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
            left, top = start + column * grid.stride, start + row * grid.stride
            box = Rectangle((left, top), grid.stride, grid.stride, fill=False, color="white", linewidth=0.8)
            axes.add_patch(box)
            text = "\n".join(_labels(tiles, index, letters)[:lines])
            axes.text(
                left + 0.04 * grid.stride, top + 0.05 * grid.stride, text, va="top", fontsize=6,
                linespacing=1.3, path_effects=[withStroke(linewidth=1.5, foreground="white")],
            )  # fmt: skip


def _labels(tiles: TileMap, index: int, letters: int) -> list[str]:
    """Return what is predicted of a tile, the most probable first."""
    probabilities = tiles.probabilities[index]
    found = [number for number in np.argsort(-probabilities, kind="stable") if tiles.labels[index, number]]
    names = [short_label(CLASSES[number]) for number in found]
    shown = [name if len(name) <= letters else name[: letters - 1].rstrip() + "…" for name in names]
    return [f"{name} {probabilities[number]:.2f}" for name, number in zip(shown, found, strict=True)] or [
        "none"
    ]


def _scale_bar(axes: Axes, width: int, height: int) -> None:
    """Lay a bar of about a quarter of the width below the scene's left corner; a pixel is 10 m."""
    kilometres = max((length for length in BAR if length * 100 <= width / 3), default=BAR[0])
    bottom = height * 1.02
    axes.plot([0, kilometres * 100], [bottom, bottom], color="#55595f", linewidth=2, clip_on=False)
    axes.text(
        kilometres * 100 + width * 0.015,
        bottom,
        f"{kilometres:g} km",
        va="center",
        fontsize=8,
        color="#55595f",
    )


def legend(tiles: TileMap) -> list[Patch]:
    """Return an entry for each class that is some tile's most probable one, the commonest first."""
    counts = np.bincount(tiles.top, minlength=len(CLASSES))
    handles = [
        Patch(color=COLOURS[index], label=f"{short_label(CLASSES[index])} ({counts[index]:,})")
        for index in np.argsort(-counts, kind="stable")
        if counts[index]
    ]
    if not tiles.labels.any(1).all():
        label = f"pale: none reaches {tiles.threshold:g}"
        handles.append(Patch(color=figures.GREY, alpha=0.3, label=label))
    return handles

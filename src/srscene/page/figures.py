"""Figures across upscalers: the patches, where classifiers look, gain per class, fidelity against utility.

Each is written as `<path>.png` and `<path>.pdf`, 180 mm wide, the same bytes on every run.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy import stats

from srscene import figures
from srscene.assess.figure import richest
from srscene.compare.cell import Cell, rank
from srscene.compare.significance import PRIMARY, Difference
from srscene.compare.tables import title
from srscene.core.classes import CLASSES, short_label
from srscene.core.store import Image
from srscene.sr.shown import is_upscaler, order_of

WIDTH = figures.WIDTH - 0.2
"""Inches; saving adds a margin of 0.1 at each side."""
DPI = 200
SMALL = 7
"""Points: the smallest letters."""
QUIET = "#55595f"
WINDOW = 36
"""Side of the zoomed square, pixels of 10 m."""
FEWEST = 4
"""Points, the control's among them, below which a rank correlation tells nothing."""
FIDELITY = {
    "psnr": "PSNR, dB: more is closer to the truth",
    "lr_psnr": "consistency with the input, dB:\nmore is closer",
    "hallucination": "hallucinated share: less is closer",
}
"""Key of metrics/upscaling.json -> label."""
MARKERS = "osD^vPX"
WIDEST = 1.8
"""Inches of a panel."""
CLOSE = 0.04
"""Gap between panels, of their side."""


class Seen(NamedTuple):
    """A patch as a variant's classifier sees it, for one label."""

    image: Image
    """(H, W, 3) uint8."""
    heat: NDArray[np.float32]
    """Its Grad-CAM, (h, w) ≥ 0."""
    probability: float
    coverage: float
    """Share of the patch where the map reaches half of its maximum, as `explain.coverage` takes it."""


def side_by_side(patches: Mapping[str, Mapping[str, Image]], path: Path) -> None:
    """Draw each patch whole, and zoomed where it is richest: name -> upscaler -> (H, W, 3) uint8.

    There must be a patch, and all its pictures show the same field. Where to zoom is looked for in its
    smallest picture, the input as a rule.
    """
    columns = sorted({sr for pictures in patches.values() for sr in pictures}, key=order_of)
    figure, grid = _close_grid(2 * len(patches), len(columns))
    for axes, sr in zip(grid[0], columns, strict=True):
        axes.set_title(title(sr), fontsize=8, loc="center")
    for (name, pictures), whole, near in zip(patches.items(), grid[::2], grid[1::2], strict=True):
        smallest = min(pictures.values(), key=len)
        window = min(WINDOW, *smallest.shape[:2])
        place = np.array([*richest(smallest, window), window]) / len(smallest)
        whole[0].text(
            -0.06, -CLOSE / 2, textwrap.fill(name, 34), rotation=90, ha="right", va="center", fontsize=SMALL,
            transform=whole[0].transAxes,
        )  # fmt: skip
        for sr, above, below in zip(columns, whole, near, strict=True):
            if sr in pictures:
                _show_zoomed(pictures[sr], place, above, below)
    _save(figure, path)


def attention(seen: Mapping[tuple[str, str], Seen], what: str, path: Path) -> None:
    """Draw one patch's Grad-CAM for one label, (upscaler, backbone) -> what was seen; `what` names both."""
    columns = sorted({sr for sr, _ in seen}, key=order_of)
    rows = sorted({backbone for _, backbone in seen}, key=rank)
    side = min(WIDTH / len(columns), WIDEST)
    figure, grid = plt.subplots(
        len(rows), len(columns), figsize=(WIDTH, len(rows) * (side + 0.16) + 1.1), squeeze=False,
        layout="compressed",
    )  # fmt: skip
    for axes, sr in zip(grid[0], columns, strict=True):
        axes.set_title(title(sr), fontsize=8, loc="center")
    for line, backbone in zip(grid, rows, strict=True):
        line[0].text(
            -0.06, 0.5, title(backbone), rotation=90, ha="right", va="center", fontsize=8,
            transform=line[0].transAxes,
        )  # fmt: skip
        for axes, sr in zip(line, columns, strict=True):
            axes.set_axis_off()
            axes.set_box_aspect(1)
            if (sr, backbone) not in seen:
                axes.text(0.5, 0.5, "–", ha="center", va="center", transform=axes.transAxes)
                continue
            found = seen[sr, backbone]
            figures.show_heat(axes, found.image, found.heat, float(found.heat.max()) or 1)
            below = f"{found.probability:.2f}; {100 * found.coverage:.0f} %"
            axes.text(0.5, -0.04, below, ha="center", va="top", fontsize=SMALL, transform=axes.transAxes)
    figures.heat_bar(
        figure, grid,
        "activation, of each map's maximum; below: the label's probability; share above half of the maximum",
    )  # fmt: skip
    _title(figure, what)
    _save(figure, path)


def gain_per_class(
    found: Mapping[str, Sequence[Difference]], measure: str, control: str, what: str, path: Path
) -> None:
    """Draw each class's difference to `control` with its interval, a panel for each upscaler of `found`.

    `measure` is f2 or ap; classes are sorted by their mean gain, those without any last.
    """
    columns = sorted(found, key=order_of)
    gains = {
        sr: {difference.measure.removeprefix(f"{measure} "): difference for difference in found[sr]}
        for sr in columns
    }
    classes = _sorted_classes(list(gains.values()))
    figure, grid = plt.subplots(
        1, len(columns), figsize=(WIDTH, 4.6), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for axes, sr in zip(grid[0], columns, strict=True):
        axes.axvline(0, color=QUIET, linewidth=0.8)
        for row, name in enumerate(classes):
            if name in gains[sr]:
                _whisker(axes, row, gains[sr][name])
        axes.set_title(title(sr), fontsize=8, loc="center")
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.tick_params(labelsize=SMALL)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        axes.grid(axis="x")
    grid[0, 0].set_yticks(range(len(classes)), classes)
    of = {"f2": "F2", "ap": "average precision"}[measure]
    figure.supxlabel(
        f"{of} less that of {title(control)}, with 95 % intervals; one in 20 misses by chance alone",
        fontsize=8,
    )
    figure.legend(
        handles=[
            _mark("o", figures.BLUE, "better"),
            _mark("s", figures.ORANGE, "worse"),
            _mark("o", figures.GREY, "the interval holds 0, or there is none", mfc="white"),
        ],
        loc="outside upper right", ncols=3, fontsize=SMALL, handletextpad=0.2,
    )  # fmt: skip
    _title(figure, what)
    _save(figure, path)


def fidelity_against_utility(cells: Sequence[Cell], control: str, path: Path) -> None:
    """Draw each upscaler's fidelity against its gain in macro AP over `control`, the mean over backbones.

    Small marks are single backbones. The control is a point too, with no gain.
    """
    gains = _gains(cells, control)
    upscalers = sorted((sr for sr in gains if sr == control or is_upscaler(sr)), key=order_of)
    figure, grid = plt.subplots(1, len(FIDELITY), figsize=(WIDTH, 3.1), sharey=True, layout="constrained")
    for axes, (key, label) in zip(grid, FIDELITY.items(), strict=True):
        points = {}
        for number, sr in enumerate(upscalers):
            found = [cell.fidelity.get(key) for cell in cells if cell.sr == sr]
            if values := [value for value in found if value is not None]:
                points[sr] = mean(values), mean(gains[sr])
                _point(axes, number, points[sr], gains[sr])
        axes.axhline(0, color=figures.GREY, linewidth=0.8, zorder=0)
        axes.margins(0.12)
        axes.tick_params(labelsize=SMALL)
        axes.set_xlabel(label, fontsize=8)
        axes.set_title(correlation(list(points.values())), fontsize=8)
        axes.grid()
    grid[0].set_ylabel(f"macro AP less that of {title(control)}", fontsize=8)
    marks = [_mark(*_style(number), title(sr)) for number, sr in enumerate(upscalers)]
    figure.legend(
        handles=[*marks, _mark("_", QUIET, "one backbone")],
        loc="outside lower center", ncols=len(marks) + 1, fontsize=SMALL, handletextpad=0.2,
        columnspacing=1.2,
    )  # fmt: skip
    _title(figure, "Does a prettier picture help?")
    _save(figure, path)


def correlation(points: Sequence[tuple[float, float]]) -> str:
    """Return Spearman's rank correlation of (x, y) and the number of points in words."""
    if not points:
        return "not measured"
    if len(points) < FEWEST:
        return f"too few points to tell ({len(points)})"
    count = f"{len(points)} points"
    x, y = zip(*points, strict=True)
    if len(set(x)) == 1 or len(set(y)) == 1:
        return f"{count}, all alike"
    return f"Spearman's ρ = {stats.spearmanr(x, y).statistic:.2f}, {count}".replace("-", "−")


def _gains(cells: Sequence[Cell], control: str) -> dict[str, list[float]]:
    """Return for each upscaler the gain in macro AP over `control` on each backbone that has both."""
    values: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        if (value := cell.metrics.get(PRIMARY)) is not None:
            values.setdefault((cell.sr, cell.backbone), []).append(value)
    gains: dict[str, list[float]] = {}
    for (sr, backbone), of in values.items():
        if (control, backbone) in values:
            gains.setdefault(sr, []).append(mean(of) - mean(values[control, backbone]))
    return gains


def _sorted_classes(gains: Sequence[Mapping[str, Difference]]) -> list[str]:
    def height(name: str) -> float:
        known = [of[name].difference for of in gains if name in of]
        defined = [value for value in known if value is not None]
        return mean(defined) if defined else -np.inf

    return sorted(map(short_label, CLASSES), key=height, reverse=True)


def _whisker(axes: Axes, row: int, found: Difference) -> None:
    if found.difference is None:
        axes.text(0, row, "–", ha="center", va="center", bbox={"color": "white", "pad": 0})
        return
    style: dict[str, Any] = {"color": figures.GREY, "marker": "o", "mfc": "white"}
    if found.low is not None and found.high is not None:
        if found.low > 0:
            style = {"color": figures.BLUE, "marker": "o"}
        elif found.high < 0:
            style = {"color": figures.ORANGE, "marker": "s"}
        axes.plot([found.low, found.high], [row, row], color=style["color"], linewidth=1.2)
    axes.plot(found.difference, row, markersize=4, **style)


def _point(axes: Axes, number: int, at: tuple[float, float], gains: Sequence[float]) -> None:
    marker, colour = _style(number)
    axes.plot([at[0]] * len(gains), gains, "_", color=colour, markersize=7)
    axes.plot(*at, marker, color=colour, markersize=7, markeredgecolor="white")


def _style(number: int) -> tuple[str, str]:
    return MARKERS[number % len(MARKERS)], figures.OKABE_ITO[number % len(figures.OKABE_ITO)]


def _mark(marker: str, colour: str, label: str, **style: Any) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=colour, markersize=6, label=label, **style)


def _show_zoomed(picture: Image, place: NDArray[np.float64], whole: Axes, near: Axes) -> None:
    """Show a picture with a frame, and what is in it; `place` (top, left, side) is in parts of its side."""
    top, left, side = np.rint(place * len(picture)).astype(int)
    whole.imshow(picture, interpolation="antialiased")
    whole.add_patch(Rectangle((left, top), side, side, fill=False, color="white", linewidth=0.8))
    near.imshow(picture[top : top + side, left : left + side], interpolation="nearest")


def _close_grid(rows: int, columns: int) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure of square panels, close together, with room for names on the left and above."""
    left, above = 0.35, 0.25
    side = min((WIDTH - left) / (columns + (columns - 1) * CLOSE), WIDEST)
    width = left + side * (columns + (columns - 1) * CLOSE)
    height = above + side * (rows + (rows - 1) * CLOSE)
    figure, grid = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False,
        gridspec_kw={
            "left": left / width, "right": 1, "bottom": 0, "top": 1 - above / height,
            "wspace": CLOSE, "hspace": CLOSE,
        },
    )  # fmt: skip
    for axes in grid.flat:
        axes.set_axis_off()
    return figure, grid


def _title(figure: Figure, text: str) -> None:
    figure.suptitle(text, x=0.01, ha="left", fontsize=9)


def _save(figure: Figure, path: Path) -> None:
    figures.save_for_print(figure, path.with_name(f"{path.name}.png"), DPI)

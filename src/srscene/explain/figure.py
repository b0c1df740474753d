"""The paper's Figure 3 for the current variant: what in a patch speaks for which label."""

import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray

from srscene import figures
from srscene.core.classes import CLASSES, short_label
from srscene.core.store import Image
from srscene.explain.cam import Maps
from srscene.explain.coverage import to_patch_grid
from srscene.explain.options import Scale


class Row(NamedTuple):
    """One patch: image (H, W, 3), labels (19,), probabilities (19,), maps (19, h, w)."""

    image: Image
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    maps: Maps


def most_diverse(labels: NDArray[np.uint8], count: int) -> list[int]:
    """Return up to `count` patches of (N, C), each the first that adds most labels to those before."""
    chosen: list[int] = []
    seen = np.zeros(labels.shape[1], bool)
    while len(chosen) < min(count, len(labels)):
        gain = (labels.astype(bool) & ~seen).sum(1)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        seen |= labels[chosen[-1]].astype(bool)
    return chosen


def draw(rows: list[Row], columns: int, title: str, path: Path, scale: Scale = "map") -> None:
    """Draw a line per patch: its true labels, itself, and the maps of its `columns` most probable labels."""
    figure, grid = plt.subplots(
        len(rows), columns + 2, figsize=(1.6 * (columns + 2), 1.85 * len(rows) + 0.8), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for row, axes in zip(rows, grid, strict=True):
        for panel in axes:
            panel.set_axis_off()
        _true_labels(row, axes[0])
        axes[1].imshow(row.image, interpolation="antialiased")
        labels = np.argsort(-row.probabilities, kind="stable")[:columns]
        tops = row.maps[labels].max((1, 2)) if scale == "map" else [row.maps[labels].max()] * len(labels)
        for label, top, panel in zip(labels, tops, axes[2:], strict=True):
            _overlay(row, int(label), float(top), panel)
    grid[0, 0].set_title("true labels", color="#55595f")
    grid[0, 1].set_title("patch", color="#55595f")
    figures.heat_bar(
        figure, grid, f"activation, of each {scale}'s maximum; ✓ and bold: true label; number: probability"
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    figures.save_for_print(figure, path, dpi=100)  # so many photographs: under 1 MB, for git


def _true_labels(row: Row, axes: Axes) -> None:
    axes.set_box_aspect(1)
    lines = [_line(row, int(label)) for label in np.flatnonzero(row.labels)]
    axes.text(0, 1, "\n".join(lines), va="top", fontsize=7, linespacing=1.5, transform=axes.transAxes)


def _line(row: Row, label: int, mark: str = "") -> str:
    name = f"{mark}{row.probabilities[label]:.2f} {short_label(CLASSES[label])}"
    return textwrap.fill(name, 27)


def _overlay(row: Row, label: int, top: float, axes: Axes) -> None:
    heat = to_patch_grid(row.maps[label][None])[0]
    figures.show_heat(axes, row.image, heat, top or 1)
    if not heat.any():
        axes.text(
            0.5, 0.5, "no activation", ha="center", va="center", color="white", fontsize=7,
            bbox={"color": "black", "alpha": 0.6, "linewidth": 0}, transform=axes.transAxes,
        )  # fmt: skip
    true = bool(row.labels[label])
    axes.set_title(
        _line(row, label, "✓ " if true else ""), fontsize=7, fontweight="bold" if true else "normal"
    )

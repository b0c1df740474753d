"""The two figures of `evaluate`. `what` names the variant and the patches."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from srscene import figures
from srscene.evaluate.curve import Curve

OUTER = 3
"""Classes that are best, and that are worst."""
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1, 1, 1)))


class ClassCurve(NamedTuple):
    """A class by its short label, its average precision and its curve."""

    name: str
    ap: float
    curve: Curve


def draw_classes(
    classes: dict[str, dict[str, Any]], constant_f2: dict[str, float], what: str, path: Path
) -> None:
    """Draw F2 of each class as a bar, the constant predictor's as a tick, its positive patches beside it."""
    figure, axes = plt.subplots(figsize=(6.4, 5.2))
    rows = range(len(classes))
    axes.barh(
        rows, [values["f2"] for values in classes.values()], 0.66, color=figures.BLUE, label="classifier"
    )
    marks = [(constant_f2[name], row) for name, row in zip(classes, rows, strict=True) if constant_f2[name]]
    at, marked = zip(*marks, strict=True) if marks else ((), ())
    axes.scatter(
        at, marked, s=150, marker="|", linewidths=2.2, color=figures.ORANGE,
        label="best constant prediction (0 without a mark)",
    )  # fmt: skip
    for row, values in zip(rows, classes.values(), strict=True):
        axes.text(1.09, row, f"{values['positives']:,}", va="center", ha="right", color="#55595f")
    axes.text(1.09, -0.9, "positives", ha="right", va="center", color="#55595f")
    axes.set_yticks(rows, list(classes))
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 1), ylim=(len(classes) - 0.4, -1.4), xlabel="F2")
    axes.grid(axis="x")
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="upper center", bbox_to_anchor=(0.35, -0.1), ncols=2)
    axes.set_title(f"F2 of each class: {what}")
    figures.save_for_print(figure, path)


def draw_precision_recall(
    micro: Curve, classes: list[ClassCurve], constant: Curve, threshold: float, what: str, path: Path
) -> None:
    """Draw the micro-averaged curve over those of the classes, the constant predictor's and lines of F1.

    Each class is named where its line ends, the best and the worst in bold.
    """
    figure, axes = plt.subplots(figsize=(figures.WIDTH, 5.2))
    _iso_f1(axes)
    _named_lines(axes, classes)
    axes.plot(
        constant.recall, constant.precision, "--", color=figures.GREY, linewidth=2.2,
        label="constant prediction, micro",
    )  # fmt: skip
    axes.plot(micro.recall, micro.precision, color="black", linewidth=2.6, label="classifier, micro")
    if (micro.threshold >= threshold).any():
        at = np.flatnonzero(micro.threshold >= threshold)[-1]
        axes.plot(
            micro.recall[at], micro.precision[at], "o", color="black", markersize=8,
            markeredgecolor="white", label=f"at threshold {threshold:g}", zorder=4,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", box_aspect=1)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)
    axes.set_title(f"Precision and recall: {what}", pad=20)
    figures.save_for_print(figure, path)


def _named_lines(axes: Axes, classes: list[ClassCurve]) -> None:
    """Draw each class in a colour and dashes of its own, its name and AP at the end, evenly spread."""
    ordered = sorted(classes, key=lambda line: line.curve.precision[-1])
    by_ap = sorted(line.ap for line in classes)
    spread = np.linspace(0.01, 1.01, len(ordered))
    colours = figures.OKABE_ITO[:-1]  # black is the average
    for number, (line, height) in enumerate(zip(ordered, spread, strict=True)):
        outer = line.ap <= by_ap[:OUTER][-1] or line.ap >= by_ap[-OUTER:][0]
        style: dict[str, Any] = {
            "color": colours[number % len(colours)],
            "linestyle": DASHES[number // len(colours) % len(DASHES)],
            "linewidth": 1.6 if outer else 0.8,
        }
        axes.plot(line.curve.recall, line.curve.precision, **style)
        end = (1, line.curve.precision[-1])
        axes.plot(*zip(end, (1.07, height), (1.09, height), strict=True), clip_on=False, **style)
        axes.text(
            1.1, height, f"{line.name} {line.ap:.2f}", va="center", fontsize=7,
            fontweight="bold" if outer else "normal",
        )  # fmt: skip
    axes.text(1.1, 1.06, "class, its average precision", va="center", fontsize=7, color="#55595f")


def _iso_f1(axes: Axes) -> None:
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / (2 - f1), 1, 100)
        axes.plot(recall, f1 * recall / (2 * recall - f1), ":", color="#b4b8be", linewidth=0.8)
        axes.text(f1 / (2 - f1), 1.03, f"F1 = {f1}", fontsize=7, ha="center", color="#6b7078")

"""The two figures of `evaluate`. `what` names the variant and the patches."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from srscene import figures
from srscene.evaluate.curve import Curve


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
    figures.save(figure, path)


def draw_precision_recall(
    micro: Curve, classes: list[Curve], constant: Curve, threshold: float, what: str, path: Path
) -> None:
    """Draw the micro-averaged curve over those of the classes, the constant predictor's and lines of F1."""
    figure, axes = plt.subplots(figsize=(5.2, 5.0))
    _iso_f1(axes)
    for number, line in enumerate(classes):
        label = None if number else "each class"
        axes.plot(line.recall, line.precision, color=figures.GREY, alpha=0.35, linewidth=0.7, label=label)
    axes.plot(
        constant.recall, constant.precision, "--", color=figures.ORANGE, linewidth=1.5,
        label="constant prediction, micro",
    )  # fmt: skip
    axes.plot(micro.recall, micro.precision, color=figures.BLUE, linewidth=2.2, label="classifier, micro")
    if (micro.threshold >= threshold).any():
        at = np.flatnonzero(micro.threshold >= threshold)[-1]
        axes.plot(
            micro.recall[at], micro.precision[at], "o", color=figures.BLUE, markersize=7,
            markeredgecolor="white", label=f"at threshold {threshold:g}", zorder=4,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", aspect="equal")
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    axes.set_title(f"Precision and recall: {what}")
    figures.save(figure, path)


def _iso_f1(axes: Axes) -> None:
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / (2 - f1), 1, 100)
        axes.plot(recall, f1 * recall / (2 * recall - f1), ":", color="#b4b8be", linewidth=0.8)
        axes.text(1.01, f1 / (2 - f1), f"F1 = {f1}", fontsize=7, va="center", color=figures.GREY)

"""The picture of a training: losses and validation score by epoch, from the CSV that `train` wrote."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from srscene import figures
from srscene.runtime.reading import read_bytes, reading

LARGEST = 10_000_000
"""Bytes of a training.csv: 100,000 epochs."""


class Training(NamedTuple):
    """The columns of plots/training.csv, (E,) each for E ≥ 1 epochs; NaN where one was not validated."""

    epoch: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    val_loss: NDArray[np.float64]
    val_macro_ap: NDArray[np.float64]
    learning_rate: NDArray[np.float64]

    @property
    def kept(self) -> int:
        """The index of the epoch whose weights are kept: the first with the best score, else the last."""
        scored = ~np.isnan(self.val_macro_ap)
        return int(np.nanargmax(self.val_macro_ap)) if scored.any() else len(self.epoch) - 1


def read(path: Path) -> Training:
    """Return a training's epochs; raises BadInput when the file is missing or damaged."""
    expected = list(Training._fields)
    remedy = "run `dvc repro train`, or `dvc checkout`"
    with reading(path, f"a row for each epoch below {','.join(expected)}", remedy):
        header, *rows = csv.reader(read_bytes(path, LARGEST).decode().splitlines())
        if header != expected or not rows:
            raise ValueError(f"{len(rows)} rows below {','.join(header)}")
        values = np.array([[float(cell or "nan") for cell in row] for row in rows])
        return Training(*values.reshape(len(rows), len(expected)).T)


def draw(training: Training, title: str, path: Path) -> None:
    """Write `path` as PNG, and PDF beside it; the score is left out where no epoch was validated."""
    scored = ~np.isnan(training.val_macro_ap)
    panels = 2 if scored.any() else 1
    figure, axes = plt.subplots(1, panels, figsize=(4 * panels, 3), squeeze=False, layout="constrained")
    losses = axes[0, 0]
    for name, values, colour in (
        ("train", training.train_loss, figures.GREY),
        ("val", training.val_loss, figures.BLUE),
    ):
        known = ~np.isnan(values)
        if known.any():
            losses.plot(training.epoch[known], values[known], "o-", ms=3, c=colour, label=name)
    losses.set(title="Binary cross-entropy", xlabel="epoch")
    both = np.concatenate([training.train_loss, training.val_loss])
    losses.set_ylim(bottom=0, top=1.1 * both[np.isfinite(both)].max(initial=0) or None)
    if losses.lines:
        losses.legend()
    if scored.any():
        score, kept = axes[0, 1], training.kept
        values = training.val_macro_ap
        score.plot(training.epoch[scored], values[scored], "o-", ms=3, c=figures.BLUE)
        label = f"kept: epoch {training.epoch[kept]:.0f}"
        score.plot(training.epoch[kept], values[kept], "o", c=figures.ORANGE, label=label)
        score.set(title="Macro average precision, validation", xlabel="epoch", ylim=(0, 1))
        score.legend()
    for ax in axes[0]:
        ax.grid(axis="y")
        ax.set_xlim(0.5, len(training.epoch) + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    figures.save_for_print(figure, path)

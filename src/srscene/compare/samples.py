"""All metrics of a variant's trainings, on the test set and on resamples of it: what comparisons rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from srscene.compare.cell import Cell
from srscene.core import predictions
from srscene.core.classes import CLASSES, short_label
from srscene.evaluate.bootstrap import resamples
from srscene.evaluate.clusters import products
from srscene.evaluate.metrics import METRICS, Binary, Floats, Scores, Weighted, class_ap, class_f2
from srscene.runtime.console import BadInput

SHORT = tuple(map(short_label, CLASSES))
MEASURES = (
    *(metric.name for metric in METRICS),
    *(f"f2 {label}" for label in SHORT),
    *(f"ap {label}" for label in SHORT),
)
"""What is compared: METRICS, then F2 and average precision of each class."""
LOWER_IS_BETTER = frozenset(metric.name for metric in METRICS if metric.better == "lower")


@dataclass(frozen=True)
class Runs:
    """The trainings of one variant, on the same N test patches."""

    variant: str
    names: list[str]
    labels: Binary
    """(N, 19) of 0 and 1."""
    scores: list[Scores]
    """(N, 19) in 0..1, a training each."""
    thresholds: list[float]


@dataclass(frozen=True)
class Sample:
    """What a variant's S trainings are worth by MEASURES; NaN where undefined."""

    variant: str
    values: Floats
    """(S, M), on the test set."""
    drawn: Floats
    """(R, M), the mean over trainings on each of R resamples of it, the same ones for every variant."""
    clusters: int
    """Products that the test patches come from."""


def read(variant: str, cells: Sequence[Cell]) -> Runs:
    """Return the trainings of these cells; raises BadInput where they do not share patches and labels."""
    found = []
    for cell in cells:
        if cell.predictions is None:
            raise BadInput(
                f"{cell.name}: a folder of results has no predictions, which differences need; leave out "
                "--from where DVC has the experiments (`dvc exp pull` brings them)"
            )
        splits, _ = predictions.read(cell.predictions)
        threshold = cell.metrics["threshold"]
        assert threshold is not None
        test = splits["test"]
        found.append(Runs(cell.name, test.names, test.labels, [test.probabilities], [threshold]))
    first, *others = found
    aligned = [first, *(align(other, first) for other in others)]
    return Runs(
        variant,
        first.names,
        first.labels,
        [runs.scores[0] for runs in aligned],
        [runs.thresholds[0] for runs in aligned],
    )


def align(runs: Runs, like: Runs) -> Runs:
    """Return `runs` with its patches in the order of `like`; raises BadInput where the test sets differ."""
    if extra := set(runs.names) ^ set(like.names):
        raise BadInput(
            f"{runs.variant} and {like.variant}: {len(extra):,} test patches are in one of them alone, such "
            f"as {min(extra)}; only results on the same patches can be compared"
        )
    place = {name: row for row, name in enumerate(runs.names)}
    order = np.array([place[name] for name in like.names], np.intp)
    labels = runs.labels[order]
    if (wrong := (labels != like.labels).any(1)).any():
        raise BadInput(
            f"{runs.variant} and {like.variant}: the labels of {int(wrong.sum()):,} test patches differ, "
            f"such as {like.names[int(wrong.argmax())]}; only results on the same labels can be compared"
        )
    return Runs(runs.variant, like.names, labels, [scores[order] for scores in runs.scores], runs.thresholds)


def sample(runs: Runs, count: int, seed: int, clusters: NDArray[np.intp] | None = None) -> Sample:
    """Return the measures of `runs` on the test set and on `count` resamples of its products.

    The same `seed` draws the same resamples for every variant, which pairs them. `clusters` (N,) may replace
    the products that the patches' names tell.
    """
    clusters = products(runs.names) if clusters is None else clusters
    trainings = [
        _measures(runs.labels, scores >= threshold, scores)
        for scores, threshold in zip(runs.scores, runs.thresholds, strict=True)
    ]
    once = np.ones((1, len(runs.names)))
    values = np.stack([_on(training, once)[0] for training in trainings])
    if clusters.max() == 0:
        return Sample(runs.variant, values, np.empty((0, len(MEASURES))), 1)
    batches = resamples(clusters, count, seed)
    drawn = [np.mean([_on(training, counts) for training in trainings], 0) for counts in batches]
    return Sample(runs.variant, values, np.concatenate(drawn), int(clusters.max()) + 1)


def _measures(labels: Binary, predicted: Binary, scores: Scores) -> list[Weighted]:
    """Return all but macro AP, which follows from the classes' and would take as long again."""
    of_all = [metric.of(labels, predicted, scores) for metric in METRICS if metric.name != "macro_ap"]
    return [*of_all, class_f2(labels, predicted), class_ap(labels, scores)]


def _on(measures: Sequence[Weighted], counts: Floats) -> Floats:
    """Return (B, M)."""
    columns = [measure(counts).reshape(len(counts), -1) for measure in measures]
    by_class = columns[-1]
    defined = (~np.isnan(by_class)).sum(1)
    mean = np.where(defined > 0, np.nansum(by_class, 1) / np.maximum(defined, 1), np.nan)
    columns.insert(MEASURES.index("macro_ap"), mean[:, None])
    return np.concatenate(columns, 1)

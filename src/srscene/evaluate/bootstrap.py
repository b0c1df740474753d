"""95 % intervals by resampling test patches (Efron's percentile bootstrap).

A resample is a vector of counts: how often each patch was drawn. Sample-averaged metrics are then weighted
means, F2 follows from weighted counts per class, and average precision from weighted cumulative sums along
an order that is sorted once.

A class that the test set holds and a resample lost is left out of that resample's macro average; counting it
as 0 would push the interval below the value itself. Intervals tell about the choice of test patches only, not
about another training run.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from srscene.console import progress
from srscene.evaluate.metrics import Binary, Scores, per_patch, top_is_true

LEVEL = 0.95
BATCH = 50  # resamples at a time: 50 MB of counts at 125,000 patches
Floats = NDArray[np.float64]


def intervals(
    labels: Binary, predicted: Binary, scores: Scores, resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Return (low, high) by metric name; metrics that are undefined on the test set are missing."""
    values = per_patch(labels, predicted) | {"one_error": 1 - top_is_true(labels, scores)}
    means = np.stack(list(values.values()), 1)
    f2_macro = _f2_macro(labels, predicted)
    classes = [k for k in range(labels.shape[1]) if labels[:, k].any()]
    rows = np.arange(len(labels))
    precisions = [_average_precision(labels[:, k], scores[:, k], rows) for k in classes]
    everything = _average_precision(labels.ravel(), scores.ravel(), np.repeat(rows, labels.shape[1]))

    drawn: list[Floats] = []
    for counts in _counts(len(labels), resamples, seed):
        macro_ap = [_mean_defined([average(row) for average in precisions]) for row in counts]
        micro_ap = [everything(row) for row in counts]
        drawn.append(np.column_stack([counts @ means / len(labels), f2_macro(counts), macro_ap, micro_ap]))
    names = [*values, "f2_macro", "macro_ap", "micro_ap"]
    return {
        name: (float(low), float(high))
        for name, low, high in zip(names, *_percentiles(np.concatenate(drawn)), strict=True)
        if np.isfinite([low, high]).all()
    }


def _counts(patches: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield (≤ BATCH, patches): how often each patch was drawn in each resample."""
    random = np.random.default_rng(seed)
    for start in progress(range(0, resamples, BATCH), "bootstrap", f"×{BATCH} resamples"):
        draws = [random.integers(patches, size=patches) for _ in range(min(BATCH, resamples - start))]
        yield np.stack([np.bincount(draw, minlength=patches) for draw in draws]).astype(np.float64)


def _percentiles(drawn: Floats) -> Floats:
    """Return (2, columns): lower and upper limit of each column, over the resamples where it is defined."""
    edges = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    columns = [column[~np.isnan(column)] for column in drawn.T]
    return np.array([np.quantile(column, edges) if len(column) else (np.nan, np.nan) for column in columns]).T


def _mean_defined(values: list[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else np.nan


def _f2_macro(labels: Binary, predicted: Binary) -> Callable[[Floats], Floats]:
    """Return counts (B, N) -> macro F2 (B,), absent classes of the test set counting as 0."""
    hits = (labels.astype(bool) & predicted.astype(bool)).astype(np.float64)
    true, positive = labels.astype(np.float64), predicted.astype(np.float64)
    share_present = labels.any(0).mean()

    def f2_macro(counts: Floats) -> Floats:
        in_resample = counts @ true
        f2 = 5 * (counts @ hits) / np.maximum(4 * in_resample + counts @ positive, 1)
        present = in_resample > 0
        return np.asarray((f2 * present).sum(1) / np.maximum(present.sum(1), 1) * share_present)

    return f2_macro


def _average_precision(
    labels: NDArray[np.generic], scores: Scores, rows: NDArray[np.intp]
) -> Callable[[Floats], float]:
    """Return counts (N,) -> average precision of these entries, entry i belonging to patch `rows[i]`.

    Sums precision × weight over the positives; equal scores share one point of the curve, as in scikit-learn.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    group_end = np.searchsorted(-ordered, -ordered, "right") - 1
    positives = np.flatnonzero(labels[order])
    end = group_end[positives]
    last_positive = np.searchsorted(end, end, "right") - 1
    patch = rows[order]

    def average_precision(counts: Floats) -> float:
        weights = counts[patch]
        gained = weights[positives]
        true_positives = np.cumsum(gained)
        if not gained.any():
            return np.nan
        precision = true_positives[last_positive] / np.maximum(np.cumsum(weights)[end], 1)
        return float(gained @ precision / true_positives[-1])

    return average_precision

"""The paper's metrics (section 3.3), macro F2 and average precision: one table, METRICS.

`labels` and `predicted` are (N, C) of 0 and 1, `scores` is (N, C) in 0..1, N ≥ 1. All values are those of
scikit-learn. A ratio 0/0, such as the precision of a patch without a predicted label, is 0, as its
zero_division=0. Average precision of a class without positives is undefined: the macro average leaves it out.

Each metric is written once, for patches that count several times: once each gives its value, and the counts
of a bootstrap resample give its value on that resample.

`acc`, the paper's "sample accuracy", is the mean Jaccard index |true ∩ predicted| / |true ∪ predicted|. Of
the three quantities that go by that name only this one fits the paper's Table 1:

- Within a patch J = F / (2 − F), convex in F with J ≤ F, so mF / (2 − mF) ≤ mJ ≤ mF for the means. All 20
  rows lie inside, between 0.27 and 0.42 of the way up.
- 1 − Hamming loss is ruled out by the table itself: acc + HL would be 1, and is 0.40 to 0.61.
- The share of patches predicted exactly has no lower bound, and would split every row into perfect patches
  and failures (mean F1 of the others: 0.10 to 0.23). With SRResNet and Inception-v4 the top label would be
  right in 51 % of those others, against a mean recall of 0.07: not impossible, but not credible.

In every row F1 is below the harmonic mean of P and R, as a mean over patches must be; micro averages would
make them equal.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from srscene.core.classes import CLASSES, short_label

Binary = NDArray[Any]
Scores = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Metrics = dict[str, float | None]

Weighted = Callable[[Floats], Floats]
"""Counts (B, N), how often each patch counts, to values (B,) or by class (B, C); NaN where undefined."""


class Metric(NamedTuple):
    """A row of METRICS: `of(labels, predicted, scores)` takes the counts of the patches to the value."""

    name: str
    of: Callable[[Binary, Binary, Scores], Weighted]
    better: Literal["higher", "lower"]
    paper: str | None
    """Its column in the paper's Table 1."""


def patch_mean(per_patch: Callable[[Binary, Binary, Scores], NDArray[Any]]) -> Callable[..., Weighted]:
    """Return the metric that is the mean over patches of `per_patch(labels, predicted, scores)`, (N,)."""

    def metric(labels: Binary, predicted: Binary, scores: Scores) -> Weighted:
        values = per_patch(labels, predicted, scores).astype(np.float64)
        return lambda counts: counts @ values / counts.sum(1)

    return metric


def f1(labels: Binary, predicted: Binary, _: Scores) -> Floats:
    hits, true, positive = _overlap(labels, predicted)
    return _ratio(2 * hits, true + positive)


def precision(labels: Binary, predicted: Binary, _: Scores) -> Floats:
    hits, _true, positive = _overlap(labels, predicted)
    return _ratio(hits, positive)


def recall(labels: Binary, predicted: Binary, _: Scores) -> Floats:
    hits, true, _positive = _overlap(labels, predicted)
    return _ratio(hits, true)


def jaccard(labels: Binary, predicted: Binary, _: Scores) -> Floats:
    hits, true, positive = _overlap(labels, predicted)
    return _ratio(hits, true + positive - hits)


def hamming_loss(labels: Binary, predicted: Binary, _: Scores) -> Floats:
    return (labels != predicted).mean(1)


def one_error(labels: Binary, _: Binary, scores: Scores) -> NDArray[np.bool_]:
    """Tell for each patch whether its highest score is on a label that is not true; first among equals."""
    return np.take_along_axis(labels, scores.argmax(1)[:, None], 1)[:, 0] == 0


def f2_macro(labels: Binary, predicted: Binary, _: Scores) -> Weighted:
    """Return the mean F2 of the classes; one without any patch counts as 0, as in scikit-learn.

    A class that the patches hold and a resample lost is left out there instead: counting it as 0 would push
    the interval below the value itself.
    """
    f2, true = class_f2(labels, predicted), labels.astype(np.float64)
    share_present = labels.any(0).mean()

    def metric(counts: Floats) -> Floats:
        present = (counts @ true > 0).sum(1)
        return np.asarray(f2(counts).sum(1) / np.maximum(present, 1) * share_present)

    return metric


def macro_ap(labels: Binary, _: Binary, scores: Scores) -> Weighted:
    """Return the mean average precision of the classes that have a positive."""
    ap = class_ap(labels, scores)

    def metric(counts: Floats) -> Floats:
        values = ap(counts)
        defined = (~np.isnan(values)).sum(1)
        return np.where(defined > 0, np.nansum(values, 1) / np.maximum(defined, 1), np.nan)

    return metric


def micro_ap(labels: Binary, _: Binary, scores: Scores) -> Weighted:
    """Return the average precision of all patch × class decisions in one ranking."""
    patches, classes = labels.shape
    return average_precision(labels.ravel(), scores.ravel(), np.repeat(np.arange(patches), classes))


METRICS: tuple[Metric, ...] = (
    Metric("f1", patch_mean(f1), "higher", "f1"),
    Metric("precision", patch_mean(precision), "higher", "precision"),
    Metric("recall", patch_mean(recall), "higher", "recall"),
    Metric("acc", patch_mean(jaccard), "higher", "acc"),
    Metric("hamming_loss", patch_mean(hamming_loss), "lower", "hamming_loss"),
    Metric("one_error", patch_mean(one_error), "lower", "one_error"),
    Metric("f2_macro", f2_macro, "higher", None),
    Metric("macro_ap", macro_ap, "higher", None),
    Metric("micro_ap", micro_ap, "higher", None),
)
"""All that is measured, in the order in which it is written and printed."""


def measure(labels: Binary, predicted: Binary, scores: Scores, table: Sequence[Metric] = METRICS) -> Metrics:
    """Return the value of each metric by its name, None where it is undefined."""
    once = np.ones((1, len(labels)))
    return {metric.name: _defined(metric.of(labels, predicted, scores)(once)[0]) for metric in table}


def by_class(labels: Binary, predicted: Binary, scores: Scores) -> dict[str, dict[str, Any]]:
    """Return F2, average precision and number of positives of each of the 19 classes, by short name."""
    once = np.ones((1, len(labels)))
    f2, ap = class_f2(labels, predicted)(once)[0], class_ap(labels, scores)(once)[0]
    return {
        short_label(name): {"f2": float(f2[k]), "ap": _defined(ap[k]), "positives": int(labels[:, k].sum())}
        for k, name in enumerate(CLASSES)
    }


def class_f2(labels: Binary, predicted: Binary) -> Weighted:
    """Return F2 by class: recall weighs four times as much as precision."""
    true, positive = labels.astype(np.float64), predicted.astype(np.float64)
    hits = true * positive
    return lambda counts: 5 * (counts @ hits) / np.maximum(4 * (counts @ true) + counts @ positive, 1)


def class_ap(labels: Binary, scores: Scores) -> Weighted:
    """Return average precision by class."""
    rows = np.arange(len(labels))
    classes = [average_precision(labels[:, k], scores[:, k], rows) for k in range(labels.shape[1])]
    return lambda counts: np.stack([metric(counts) for metric in classes], 1)


def average_precision(labels: NDArray[Any], scores: Scores, rows: NDArray[np.intp]) -> Weighted:
    """Return average precision of these entries (M,), entry i belonging to patch `rows[i]`.

    Sums precision × weight over the positives, along an order that is sorted once; equal scores share one
    point of the curve, as in scikit-learn.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    group_end = np.searchsorted(-ordered, -ordered, "right") - 1
    positives = np.flatnonzero(labels[order])
    end = group_end[positives]
    last_positive = np.searchsorted(end, end, "right") - 1
    patch = rows[order]

    def on(counts: Floats) -> float:
        weights = counts.astype(np.int32)[patch]  # whole numbers: a third of the time
        gained = weights[positives].astype(np.float64)
        if not gained.any():
            return np.nan
        true_positives = np.cumsum(gained)
        entries = np.cumsum(weights, dtype=np.int32)
        precisions = true_positives[last_positive] / np.maximum(entries[end], 1)
        return float(gained @ precisions / true_positives[-1])

    return lambda counts: np.array([on(row) for row in counts])


def _overlap(labels: Binary, predicted: Binary) -> tuple[Floats, Floats, Floats]:
    """Return the number of labels of each patch that are true and predicted, true, predicted; (N,) each."""
    hits = labels.astype(bool) & predicted.astype(bool)
    return hits.sum(1, dtype=np.float64), labels.sum(1, dtype=np.float64), predicted.sum(1, dtype=np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return part / np.where(whole > 0, whole, 1)


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

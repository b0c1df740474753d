"""The paper's metrics (section 3.3), computed by scikit-learn, and average precision beside them.

`labels` and `predicted` are (N, C) of 0 and 1, `scores` is (N, C) in 0..1, N ≥ 1. A ratio 0/0, such as the
precision of a patch without a predicted label, is 0, as scikit-learn's zero_division=0. Average precision of
a class without positives is undefined: it is None, and the macro average leaves it out.

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

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    fbeta_score,
    hamming_loss,
    jaccard_score,
    precision_recall_fscore_support,
)

from srscene.figures import short_label
from srscene.labels import CLASSES

Binary = NDArray[Any]
Scores = NDArray[np.floating[Any]]
Metrics = dict[str, float | None]


def measure(labels: Binary, predicted: Binary, scores: Scores) -> Metrics:
    """Return all metrics of one predictor, under the paper's names."""
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, average="samples", zero_division=0
    )
    return {
        "f1": float(f1),
        "precision": float(precision),
        "recall": float(recall),
        "acc": float(jaccard_score(labels, predicted, average="samples", zero_division=0)),
        "hamming_loss": float(hamming_loss(labels, predicted)),
        "one_error": one_error(labels, scores),
        "f2_macro": float(f2_scores(labels, predicted).mean()),
        "macro_ap": mean_defined(average_precisions(labels, scores)),
        "micro_ap": average_precision(labels.ravel(), scores.ravel()),
    }


def one_error(labels: Binary, scores: Scores) -> float:
    """Return the share of patches whose highest score is on a label that is not true.

    Among equal scores the first class counts.
    """
    return float(1 - top_is_true(labels, scores).mean())


def top_is_true(labels: Binary, scores: Scores) -> NDArray[np.float64]:
    """Return 1 for each patch whose highest score is on a true label, else 0; (N,)."""
    return np.take_along_axis(labels, scores.argmax(1)[:, None], 1)[:, 0].astype(np.float64)


def f2_scores(labels: Binary, predicted: Binary) -> NDArray[np.float64]:
    """Return F2 of each class, (C,): recall weighs four times as much as precision."""
    return np.asarray(fbeta_score(labels, predicted, beta=2, average=None, zero_division=0))


def average_precision(labels: Binary, scores: Scores) -> float | None:
    """Return the average precision of one class (N,), None where no patch has it."""
    return float(average_precision_score(labels, scores)) if labels.any() else None


def average_precisions(labels: Binary, scores: Scores) -> list[float | None]:
    """Return the average precision of each class."""
    return [average_precision(labels[:, k], scores[:, k]) for k in range(labels.shape[1])]


def mean_defined(values: list[float | None]) -> float | None:
    """Return the mean of the values that are not None, None if there are none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def by_class(labels: Binary, predicted: Binary, scores: Scores) -> dict[str, dict[str, Any]]:
    """Return F2, average precision and number of positives of each of the 19 classes, by short name."""
    columns = zip(
        CLASSES,
        f2_scores(labels, predicted),
        average_precisions(labels, scores),
        labels.sum(0),
        strict=True,
    )
    return {
        short_label(name): {"f2": float(f2), "ap": ap, "positives": int(positives)}
        for name, f2, ap, positives in columns
    }


def per_patch(labels: Binary, predicted: Binary) -> dict[str, NDArray[np.float64]]:
    """Return the sample-averaged metrics before averaging, (N,) each.

    For what needs many averages: their means equal `measure`'s, where scikit-learn would take minutes.
    """
    true = labels.sum(1, dtype=np.float64)
    positive = predicted.sum(1, dtype=np.float64)
    hits = (labels.astype(bool) & predicted.astype(bool)).sum(1, dtype=np.float64)

    def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
        return part / np.where(whole > 0, whole, 1)

    return {
        "f1": ratio(2 * hits, true + positive),
        "precision": ratio(hits, positive),
        "recall": ratio(hits, true),
        "acc": ratio(hits, true + positive - hits),
        "hamming_loss": (true + positive - 2 * hits) / labels.shape[1],
    }

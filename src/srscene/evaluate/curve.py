"""The micro-averaged precision-recall curve: every patch × class decision in one ranking."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from srscene.evaluate.metrics import Binary, Scores

POINTS = 200


class Curve(NamedTuple):
    """recall (ascending), precision and threshold of each point, (P,) each."""

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    threshold: NDArray[np.float64]


def curve(labels: Binary, scores: Scores) -> Curve:
    """Return at most POINTS points, evenly spread over recall > 0, each a true point of the full curve.

    `labels` must hold a positive.
    """
    precision, recall, threshold = precision_recall_curve(labels.ravel(), scores.ravel())
    precision, recall, threshold = precision[-2::-1], recall[-2::-1], threshold[::-1]
    first = recall[recall > 0][0]
    kept = np.unique(np.searchsorted(recall, np.linspace(first, 1, POINTS)))
    return Curve(recall[kept], precision[kept], threshold[kept].astype(np.float64))

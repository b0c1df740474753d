"""From probabilities to labels, and the predictor that looks at no image."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from srscene.evaluate.metrics import Binary, Scores, f1

CANDIDATES = np.arange(1, 100) / 100
"""Thresholds that tuning tries."""


class Constant(NamedTuple):
    """The same labels and scores for every patch: labels (C,) bool, prior (C,) share of patches per class."""

    labels: NDArray[np.bool_]
    prior: NDArray[np.float64]

    def predict(self, patches: int) -> tuple[Binary, NDArray[Any]]:
        """Return its predicted labels and its scores for `patches` patches, (patches, C) each."""
        shape = (patches, len(self.prior))
        return np.broadcast_to(self.labels, shape), np.broadcast_to(self.prior, shape)


def best_constant(labels: Binary) -> Constant:
    """Return the k most frequent classes of `labels`, k giving the highest sample-averaged F1 on them."""
    prior = labels.mean(0)
    frequent = np.argsort(-prior, kind="stable")
    sets = np.zeros((len(prior), len(prior)), bool)
    for k in range(len(prior)):
        sets[k, frequent[: k + 1]] = True
    constants = [Constant(chosen, prior) for chosen in sets]
    return max(constants, key=lambda constant: f1(labels, *constant.predict(len(labels))).mean())


def best_threshold(labels: Binary, scores: Scores) -> float:
    """Return the one threshold for all classes with the highest sample-averaged F1.

    Among equals the one nearest to 0.5 wins.
    """
    candidates = sorted(CANDIDATES.tolist(), key=lambda threshold: abs(threshold - 0.5))
    return max(candidates, key=lambda threshold: f1(labels, scores >= threshold, scores).mean())

"""The recipe of training: start, loss, optimiser, learning rate, and the score that picks the epoch."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from srscene.classify.options import ClassifierOptions


def start_at_prior(model: nn.Module, labels: NDArray[np.uint8]) -> None:
    """Set the last layer's bias so that each class starts at its share of the training labels (N, 19).

    Otherwise a short training spends its first steps on learning that most labels are absent
    (Lin et al. 2017, Focal loss, section 4.1). One label more of each kind keeps shares off 0 and 1.
    """
    bias = getattr(model.get_classifier(), "bias", None)  # type: ignore[operator]
    if bias is not None:
        shares = torch.from_numpy((labels.sum(axis=0) + 1.0) / (len(labels) + 2))
        with torch.no_grad():
            bias.copy_(torch.logit(shares))


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the binary cross-entropy, the mean over patches and classes, in float32.

    logits and labels are (N, 19); labels are 0 or 1, float32.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), labels)


def make_optimizer(model: nn.Module, options: ClassifierOptions) -> torch.optim.Optimizer:
    """Return AdamW; fused, it takes a third of the plain loop's time on a CPU."""
    return torch.optim.AdamW(
        model.parameters(), options.learning_rate, weight_decay=options.weight_decay, fused=True
    )


def learning_rate(step: int, options: ClassifierOptions, steps_per_epoch: int) -> float:
    """Return the rate of a step, counted from 0: a linear climb to the peak, then half a cosine to 0."""
    total = options.epochs * steps_per_epoch
    climb = math.ceil(options.warmup * total)
    if step < climb:
        return options.learning_rate * (step + 1) / (climb + 1)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - climb) / (total - climb)))


def macro_average_precision(labels: NDArray[np.uint8], scores: NDArray[np.float32]) -> float | None:
    """Return the mean of the classes' average precision, classes without positives left out.

    labels and scores are (N, 19); None if no class has a positive.
    """
    found = [_average_precision(labels[:, k], scores[:, k]) for k in np.flatnonzero(labels.any(axis=0))]
    return float(np.mean(found)) if found else None


def _average_precision(labels: NDArray[np.uint8], scores: NDArray[np.float32]) -> float:
    """Return the average precision of (N,) labels, one of them 1: scikit-learn's, to the last bit.

    Written out, so that another scikit-learn trains nothing anew. Equal scores share a point of the curve.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]), 1))
    hits = np.cumsum(labels[order], dtype=np.float64)[ends]
    precision, recall = hits / (ends + 1), hits / hits[-1]
    return max(0.0, -float(np.sum(np.diff(recall[::-1], append=0.0) * precision[::-1])))

"""95 % intervals by resampling test patches (Efron's percentile bootstrap), all those of a product together.

A resample is a vector of counts: how often each patch was drawn. What a metric is worth on it, METRICS knows.
Neighbours are alike, and drawing them one by one would make intervals too narrow: all patches of a product
are drawn together. Intervals tell about the choice of test patches only, not about another training run.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from srscene.evaluate.metrics import METRICS, Binary, Floats, Metric, Scores
from srscene.runtime.console import progress

LEVEL = 0.95
BATCH = 50
"""Resamples at a time, of few patches."""
COUNTS = 1 << 20
"""That are held at a time, 8 MB of them, as far as one resample has no more."""
Intervals = dict[str, tuple[float, float]]


def intervals(
    labels: Binary,
    predicted: Binary,
    scores: Scores,
    clusters: NDArray[np.intp],
    count: int,
    seed: int,
    table: Sequence[Metric] = METRICS,
) -> Intervals:
    """Return (low, high) by metric name, from `count` resamples of `clusters` (N,), each patch's product.

    Metrics that are undefined on the test set are missing; all are where there is but one product.
    """
    if len(np.unique(clusters)) < 2:
        return {}
    metrics = [metric.of(labels, predicted, scores) for metric in table]
    batches = resamples(clusters, count, seed)
    drawn = np.concatenate([np.stack([metric(counts) for metric in metrics]) for counts in batches], 1)
    found: Intervals = {}
    for metric, values in zip(table, drawn, strict=True):
        defined = values[~np.isnan(values)]
        if len(defined):
            low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            found[metric.name] = float(low), float(high)
    return found


def resamples(clusters: NDArray[np.intp], count: int, seed: int) -> Iterator[Floats]:
    """Yield (B, N): how often each patch was drawn in each of B resamples, all patches of a cluster alike.

    `clusters` (N,) numbers each patch's cluster from 0. What is drawn does not depend on B, which shrinks
    with N so that memory does not grow.
    """
    random = np.random.default_rng(seed)
    total = int(clusters.max()) + 1
    at_once = max(1, min(BATCH, COUNTS // len(clusters)))
    for start in progress(range(0, count, at_once), "bootstrap", f"×{at_once} resamples"):
        draws = [random.integers(total, size=total) for _ in range(min(at_once, count - start))]
        drawn = np.stack([np.bincount(draw, minlength=total) for draw in draws])
        yield drawn.astype(np.float64)[:, clusters]

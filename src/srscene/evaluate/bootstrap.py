"""95 % intervals by resampling test patches (Efron's percentile bootstrap).

A resample is a vector of counts: how often each patch was drawn. What a metric is worth on it, METRICS knows.
Intervals tell about the choice of test patches only, not about another training run.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from srscene.core.console import progress
from srscene.evaluate.metrics import METRICS, Binary, Floats, Metric, Scores

LEVEL = 0.95
BATCH = 50  # resamples at a time: 50 MB of counts at 125,000 patches
Intervals = dict[str, tuple[float, float]]


def intervals(
    labels: Binary,
    predicted: Binary,
    scores: Scores,
    resamples: int,
    seed: int,
    table: Sequence[Metric] = METRICS,
) -> Intervals:
    """Return (low, high) by metric name; metrics that are undefined on the test set are missing."""
    metrics = [metric.of(labels, predicted, scores) for metric in table]
    batches = _counts(len(labels), resamples, seed)
    drawn = np.concatenate([np.stack([metric(counts) for metric in metrics]) for counts in batches], 1)
    found: Intervals = {}
    for metric, values in zip(table, drawn, strict=True):
        defined = values[~np.isnan(values)]
        if len(defined):
            low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            found[metric.name] = float(low), float(high)
    return found


def _counts(patches: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield (≤ BATCH, patches): how often each patch was drawn in each resample."""
    random = np.random.default_rng(seed)
    for start in progress(range(0, resamples, BATCH), "bootstrap", f"×{BATCH} resamples"):
        draws = [random.integers(patches, size=patches) for _ in range(min(BATCH, resamples - start))]
        yield np.stack([np.bincount(draw, minlength=patches) for draw in draws]).astype(np.float64)

"""Intervals: the vectorised statistics against scikit-learn on patches that are really repeated."""

import numpy as np
import pytest

from srscene.evaluate import bootstrap, metrics
from srscene.evaluate.metrics import METRICS
from tests.evaluate import scikit_learn


def case(patches: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and scores with ties; the last class has no positive."""
    random = np.random.default_rng(seed)
    scores = (random.random((patches, 19)) * 20).round() / 20
    labels = (random.random((patches, 19)) < scores * np.linspace(1, 0.1, 19)).astype(np.uint8)
    labels[:, -1] = 0
    return labels, scores >= 0.5, scores.astype(np.float32)


def test_a_resample_equals_the_metrics_of_its_patches() -> None:
    """The last class has no positive: F2 counts it as 0, and average precision leaves it out."""
    labels, predicted, scores = case(200)
    random = np.random.default_rng(5)
    for _ in range(5):
        draw = random.integers(200, size=200)
        assert labels[draw, :18].any(0).all()
        counts = np.bincount(draw, minlength=200)[None].astype(float)
        found = {metric.name: metric.of(labels, predicted, scores)(counts)[0] for metric in METRICS}
        expected = scikit_learn.values(labels[draw], predicted[draw], scores[draw])
        assert found == pytest.approx(expected, abs=1e-12)


def test_intervals_hold_the_value_and_shrink_with_patches() -> None:
    few, many = case(60), case(6000)
    narrow = bootstrap.intervals(*many, resamples=200, seed=0)
    wide = bootstrap.intervals(*few, resamples=200, seed=0)
    assert narrow.keys() == metrics.measure(*many).keys()
    for name, value in metrics.measure(*many).items():
        low, high = narrow[name]
        assert low < value < high, name
        assert high - low < 0.3 * (wide[name][1] - wide[name][0]), name


def test_standard_error_of_a_mean() -> None:
    """The interval of a mean over patches is ± 1.96 standard errors, up to the resampling's own noise."""
    labels, predicted, scores = case(400)
    f1 = metrics.f1(labels, predicted, scores)
    low, high = bootstrap.intervals(labels, predicted, scores, resamples=2000, seed=0)["f1"]
    half = 1.96 * f1.std() / np.sqrt(len(f1))
    assert (low, high) == pytest.approx((f1.mean() - half, f1.mean() + half), abs=0.1 * half)


def test_same_seed_same_intervals() -> None:
    first = bootstrap.intervals(*case(50), resamples=120, seed=3)
    assert first == bootstrap.intervals(*case(50), resamples=120, seed=3)
    assert first != bootstrap.intervals(*case(50), resamples=120, seed=4)


def test_a_class_lost_in_a_resample_is_not_counted_as_zero() -> None:
    labels, predicted, _ = case(40)
    labels[:] = 0
    labels[0, 0] = labels[1:, 1] = predicted[0, 0] = 1
    predicted[1:, 1] = True
    predicted[:, 2:] = predicted[0, 1] = predicted[1:, 0] = False
    without_first = np.ones((1, 40))
    without_first[0, 0] = 0
    f2_macro = metrics.f2_macro(labels, predicted, predicted)
    assert f2_macro(np.ones((1, 40)))[0] == pytest.approx(2 / 19)
    assert f2_macro(without_first)[0] == pytest.approx(2 / 19)


def test_undefined_metrics_have_no_interval() -> None:
    labels, predicted, scores = case(30)
    found = bootstrap.intervals(np.zeros_like(labels), predicted, scores, resamples=100, seed=0)
    assert "macro_ap" not in found
    assert "micro_ap" not in found
    assert found["f1"] == (0, 0)

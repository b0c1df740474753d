"""Intervals: the vectorised statistics against scikit-learn on patches that are really repeated."""

import numpy as np
import pytest

from srscene.evaluate import bootstrap, metrics
from srscene.evaluate.clusters import products
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
    narrow = bootstrap.intervals(*many, np.arange(6000), 200, seed=0)
    wide = bootstrap.intervals(*few, np.arange(60), 200, seed=0)
    assert narrow.keys() == metrics.measure(*many).keys()
    for name, value in metrics.measure(*many).items():
        low, high = narrow[name]
        assert low < value < high, name
        assert high - low < 0.3 * (wide[name][1] - wide[name][0]), name


def test_standard_error_of_a_mean() -> None:
    """The interval of a mean over patches is ± 1.96 standard errors, up to the resampling's own noise."""
    labels, predicted, scores = case(400)
    f1 = metrics.f1(labels, predicted, scores)
    low, high = bootstrap.intervals(labels, predicted, scores, np.arange(400), 2000, seed=0)["f1"]
    half = 1.96 * f1.std() / np.sqrt(len(f1))
    assert (low, high) == pytest.approx((f1.mean() - half, f1.mean() + half), abs=0.1 * half)


def test_patches_of_a_product_are_drawn_together() -> None:
    """Copies of patches add no knowledge: drawn as clusters, the intervals stay those of the originals."""
    labels, predicted, scores = case(100)
    once = bootstrap.intervals(labels, predicted, scores, np.arange(100), 400, seed=0)
    four_times = [np.repeat(values, 4, axis=0) for values in (labels, predicted, scores)]
    together = bootstrap.intervals(*four_times, np.repeat(np.arange(100), 4), 400, seed=0)
    apart = bootstrap.intervals(*four_times, np.arange(400), 400, seed=0)
    for name, (low, high) in once.items():
        assert together[name] == pytest.approx((low, high), abs=1e-9), name
        assert apart[name][1] - apart[name][0] < 0.75 * (high - low), name


def test_one_product_gives_no_interval() -> None:
    assert bootstrap.intervals(*case(30), np.zeros(30, np.intp), 100, seed=0) == {}


def test_products_are_read_from_names() -> None:
    names = [
        "S2A_MSIL2A_20170613T101031_34_66",
        "S2A_MSIL2A_20170613T101031_0_45",
        "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_34_66",
        "S2B_MSIL2A_20170613T101031_N9999_R022_T33UUQ_1_2",
        "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_1_2",
        "field-7",
        "field-8",
    ]
    found = products(names)
    assert [found[0] == number for number in found] == [True, True, False, False, False, False, False]
    assert found[2] == found[4] != found[3]
    assert found[5] != found[6]
    assert sorted(set(found)) == list(range(5))


def test_same_seed_same_intervals() -> None:
    first = bootstrap.intervals(*case(50), np.arange(50), 120, seed=3)
    assert first == bootstrap.intervals(*case(50), np.arange(50), 120, seed=3)
    assert first != bootstrap.intervals(*case(50), np.arange(50), 120, seed=4)


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
    found = bootstrap.intervals(np.zeros_like(labels), predicted, scores, np.arange(30), 100, seed=0)
    assert "macro_ap" not in found
    assert "micro_ap" not in found
    assert found["f1"] == (0, 0)

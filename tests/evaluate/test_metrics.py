"""Metrics against their plain definitions, written out one patch and one class at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sklearn

from srscene.evaluate import metrics
from srscene.evaluate.curve import POINTS, curve
from srscene.evaluate.predictors import best_constant, best_threshold
from tests.evaluate import scikit_learn

Case = tuple[np.ndarray, np.ndarray, np.ndarray]

# Scores from a grid of 21 values: ties are common. Labels and predictions may be empty in any row or column.
CASES = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        arrays(np.uint8, (n, 19), elements=st.integers(0, 1)),
        arrays(np.bool_, (n, 19)),
        arrays(np.float32, (n, 19), elements=st.integers(0, 20).map(lambda k: np.float32(k / 20))),
    )
)


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def plain(labels: np.ndarray, predicted: np.ndarray, scores: np.ndarray) -> dict[str, float | None]:
    rows = [(set(np.flatnonzero(y)), set(np.flatnonzero(p))) for y, p in zip(labels, predicted, strict=True)]
    precisions = [plain_average_precision(labels[:, k], scores[:, k]) for k in range(19)]
    defined = [value for value in precisions if value is not None]
    return {
        "f1": np.mean([ratio(2 * len(y & p), len(y) + len(p)) for y, p in rows]),
        "precision": np.mean([ratio(len(y & p), len(p)) for y, p in rows]),
        "recall": np.mean([ratio(len(y & p), len(y)) for y, p in rows]),
        "acc": np.mean([ratio(len(y & p), len(y | p)) for y, p in rows]),
        "hamming_loss": np.mean([len(y ^ p) / 19 for y, p in rows]),
        "one_error": np.mean([y[int(np.argmax(s))] == 0 for y, s in zip(labels, scores, strict=True)]),
        "f2_macro": np.mean([plain_f2(labels[:, k], predicted[:, k]) for k in range(19)]),
        "macro_ap": np.mean(defined) if defined else None,
        "micro_ap": plain_average_precision(labels.ravel(), scores.ravel()),
    }


def plain_f2(labels: np.ndarray, predicted: np.ndarray) -> float:
    hits = sum(y and p for y, p in zip(labels, predicted, strict=True))
    return ratio(5 * hits, 4 * labels.sum(dtype=int) + predicted.sum())


def plain_average_precision(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Sum of precision × gain in recall, threshold by threshold from the highest."""
    if not labels.any():
        return None
    total = before = 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        chosen = scores >= np.float32(threshold)
        recall = labels[chosen].sum(dtype=int) / labels.sum(dtype=int)
        total += (recall - before) * labels[chosen].mean()
        before = recall
    return total


@given(CASES)
@settings(deadline=None, max_examples=25)
def test_measure_follows_the_definitions(case: Case) -> None:
    found, expected = metrics.measure(*case), plain(*case)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (None if value is None else pytest.approx(value, abs=1e-12)), name


@given(CASES, st.data())
@settings(deadline=None, max_examples=25)
def test_a_patch_that_counts_twice_is_two_patches(case: Case, data: st.DataObject) -> None:
    """All classes are present in both, so that none is lost."""
    labels, predicted, scores = case
    labels[0] = 1
    counts = data.draw(arrays(np.int64, len(labels), elements=st.integers(0, 3)))
    counts[0] += 1
    repeated = metrics.measure(*(values.repeat(counts, 0) for values in case))
    for metric in metrics.METRICS:
        found = metric.of(labels, predicted, scores)(counts[None].astype(np.float64))
        assert found == pytest.approx([repeated[metric.name]], abs=1e-12), metric.name


def test_values_equal_scikit_learns_on_many_patches() -> None:
    random = np.random.default_rng(1)
    scores = random.random((3000, 19)).astype(np.float32)
    labels = (random.random((3000, 19)) < scores**2).astype(np.uint8)
    predicted = scores >= 0.5
    found = metrics.measure(labels, predicted, scores)
    assert found == pytest.approx(scikit_learn.values(labels, predicted, scores), abs=1e-12)


def test_a_class_without_positives_has_no_average_precision() -> None:
    labels = np.zeros((4, 19), np.uint8)
    labels[:, 3] = [1, 0, 1, 0]
    scores = np.linspace(0, 1, 76, dtype=np.float32).reshape(4, 19)
    classes = list(metrics.by_class(labels, scores >= 0.5, scores).values())
    assert [row["ap"] is None for row in classes] == [k != 3 for k in range(19)]
    assert [row["positives"] for row in classes] == [2 if k == 3 else 0 for k in range(19)]
    assert metrics.measure(labels, scores >= 0.5, scores)["macro_ap"] == classes[3]["ap"]


def test_best_constant_beats_every_other_number_of_frequent_classes() -> None:
    random = np.random.default_rng(2)
    prior = np.linspace(0.7, 0.02, 19)[random.permutation(19)]
    labels = (random.random((200, 19)) < prior).astype(np.uint8)
    constant = best_constant(labels)
    frequent = np.argsort(-labels.mean(0), kind="stable")
    f1 = []
    for k in range(1, 20):
        predicted = np.zeros_like(labels)
        predicted[:, frequent[:k]] = 1
        f1.append(sklearn.f1_score(labels, predicted, average="samples", zero_division=0))
    assert set(np.flatnonzero(constant.labels)) == set(frequent[: int(np.argmax(f1)) + 1])
    predicted, scores = constant.predict(len(labels))
    found = metrics.measure(labels, predicted, scores)
    assert found["f1"] == pytest.approx(max(f1), abs=1e-12)
    assert found["macro_ap"] == pytest.approx(labels.mean(0).mean(), abs=1e-12)


def test_best_threshold_separates_what_is_separable() -> None:
    labels = np.eye(19, dtype=np.uint8)
    scores = np.where(labels, 0.2, 0.1).astype(np.float32)
    assert best_threshold(labels, scores) == pytest.approx(0.2)  # nearest to 0.5 of all that separate
    assert best_threshold(labels, np.where(labels, 0.9, 0.1).astype(np.float32)) == 0.5


@given(CASES)
@settings(deadline=None, max_examples=40)
def test_curve_points_are_what_their_thresholds_give(case: Case) -> None:
    labels, _, scores = case
    if not labels.any():
        return
    line = curve(labels, scores)
    assert 1 <= len(line.recall) <= POINTS
    assert (np.diff(line.recall) > 0).all()
    assert line.recall[-1] == 1
    for recall, precision, threshold in zip(*line, strict=True):
        chosen = scores >= np.float32(threshold)
        assert recall == pytest.approx(labels[chosen].sum(dtype=int) / labels.sum(dtype=int), abs=1e-12)
        assert precision == pytest.approx(labels[chosen].mean(), abs=1e-12)


def test_long_curves_are_thinned() -> None:
    random = np.random.default_rng(3)
    scores = random.random(50_000)
    line = curve(random.random(50_000) < scores, scores)
    assert 150 < len(line.recall) <= POINTS
    assert np.diff(line.recall).max() < 0.02

"""The recipe's formulas."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from srscene.classify.backbone import create
from srscene.classify.recipe import learning_rate, macro_average_precision, start_at_prior
from tests.classify.stores import quick


def test_it_starts_at_each_class_s_share_of_the_labels() -> None:
    model = create("test_resnet", 48)
    labels = np.zeros((8, 19), np.uint8)
    labels[:4, 3] = 1
    labels[:, 5] = 1
    start_at_prior(model, labels)
    shares = model.get_classifier().bias.sigmoid().detach().numpy()  # type: ignore[operator]
    np.testing.assert_allclose(shares[[0, 3, 5]], [0.1, 0.5, 0.9], atol=1e-6)


def test_learning_rate_climbs_then_falls_to_nothing() -> None:
    options = quick(epochs=10, warmup=0.2)
    rates = [learning_rate(step, options, 10) for step in range(100)]
    assert np.argmax(rates) == 20
    assert max(rates) == options.learning_rate
    assert all(np.diff(rates[:21]) > 0)
    assert all(np.diff(rates[20:]) < 0)
    assert 0 < rates[-1] < 0.001 * options.learning_rate


def test_macro_average_precision_leaves_out_classes_without_positives() -> None:
    random = np.random.default_rng(0)
    labels = (random.random((30, 19)) < 0.2).astype(np.uint8)
    labels[:, [3, 7]] = 0
    scores = random.random((30, 19)).astype(np.float32)
    kept = [c for c in range(19) if c not in (3, 7)]
    expected = np.mean([average_precision_score(labels[:, c], scores[:, c]) for c in kept])
    assert macro_average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)
    assert macro_average_precision(np.zeros((5, 19), np.uint8), scores[:5]) is None

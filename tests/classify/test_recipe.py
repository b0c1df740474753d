"""The recipe's formulas."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
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


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.sampled_from([0, 0.05, 0.5, 1]), st.booleans())
def test_macro_average_precision_is_scikit_learns_to_the_last_bit(
    seed: int, patches: int, share: float, ties: bool
) -> None:
    """Of the classes that a patch has, which may be none, or one."""
    random = np.random.default_rng(seed)
    labels = (random.random((patches, 19)) < share).astype(np.uint8)
    labels[:, random.random(19) < 0.3] = 0
    scores = random.normal(size=(patches, 19)).astype(np.float32)
    scores = scores.round(1) if ties else scores
    there = labels.any(0)
    expected = average_precision_score(labels[:, there], scores[:, there]) if there.any() else None
    assert macro_average_precision(labels, scores) == expected

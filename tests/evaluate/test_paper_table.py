"""The paper's "sample accuracy" is the sample-averaged Jaccard index: its Table 1 fits no other reading."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srscene.evaluate.metrics import METRICS, f1, jaccard, precision, recall

TABLE = np.genfromtxt(
    Path(__file__).parents[2] / "src/srscene/compare/paper/table1.csv",
    delimiter=",",
    names=True,
    dtype=None,
    encoding="utf-8",
)
ROUNDING = 0.001  # the table's digits


def test_table_is_whole() -> None:
    assert len(TABLE) == 20
    assert set(TABLE["backbone"]) == {"resnet50", "resnet101", "resnet152", "inception_v4"}


def test_every_column_is_measured_and_what_is_better_is_what_the_paper_says() -> None:
    columns = {metric.paper: metric.better for metric in METRICS if metric.paper}
    assert columns.keys() == set(TABLE.dtype.names) - {"sr", "backbone"}
    assert {column for column, better in columns.items() if better == "lower"} == {
        "hamming_loss",
        "one_error",
    }
    assert all(metric.paper in (metric.name, None) for metric in METRICS)


def test_jaccard_bounds_hold_in_every_row() -> None:
    f1, acc = TABLE["f1"], TABLE["acc"]
    assert (acc >= f1 / (2 - f1) - ROUNDING).all()
    assert (acc <= f1 + ROUNDING).all()
    height = (acc - f1 / (2 - f1)) / (f1 - f1 / (2 - f1))
    assert (height.min(), height.max()) == pytest.approx((0.27, 0.42), abs=0.01)


def test_one_minus_hamming_loss_is_ruled_out() -> None:
    total = TABLE["acc"] + TABLE["hamming_loss"]
    assert (total.min(), total.max()) == pytest.approx((0.40, 0.61), abs=0.01)


def test_exact_match_would_leave_only_failures_beside_perfect_patches() -> None:
    acc, f1, recall = TABLE["acc"], TABLE["f1"], TABLE["recall"]
    f1_of_others = (f1 - acc) / (1 - acc)
    assert (f1_of_others.min(), f1_of_others.max()) == pytest.approx((0.10, 0.23), abs=0.01)
    row = (TABLE["sr"] == "srresnet") & (TABLE["backbone"] == "inception_v4")
    top_right = ((1 - TABLE["one_error"] - acc) / (1 - acc))[row].item()
    assert top_right == pytest.approx(0.51, abs=0.01)
    assert ((recall - acc) / (1 - acc))[row].item() == pytest.approx(0.07, abs=0.01)


def test_f1_is_a_mean_over_patches_not_micro() -> None:
    harmonic = 2 * TABLE["precision"] * TABLE["recall"] / (TABLE["precision"] + TABLE["recall"])
    assert (TABLE["f1"] < harmonic - ROUNDING).all()


PAIR = st.integers(1, 20).flatmap(
    lambda n: st.tuples(arrays(np.uint8, (n, 7), elements=st.integers(0, 1)), arrays(np.bool_, (n, 7)))
)


@given(PAIR)
def test_bounds_hold_for_any_predictions(pair: tuple[np.ndarray, np.ndarray]) -> None:
    labels, predicted = pair
    f, acc, p, r = (
        values(labels, predicted, predicted).mean() for values in (f1, jaccard, precision, recall)
    )
    assert f / (2 - f) - 1e-12 <= acc <= f + 1e-12
    if p + r > 0:
        assert f <= 2 * p * r / (p + r) + 1e-12

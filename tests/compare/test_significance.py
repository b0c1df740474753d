"""Comparisons: against scipy and statsmodels where they know the answer, and on data with a known truth."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from benchmarks import statistics
from srscene.compare import samples
from srscene.compare.cell import Cell
from srscene.compare.samples import MEASURES, Runs, Sample
from srscene.compare.significance import Difference, contrast, difference_in, fieller, holm, share
from srscene.core import predictions
from srscene.core.classes import CLASSES
from srscene.core.hdf5 import write_texts
from srscene.evaluate import metrics
from srscene.runtime.console import BadInput

PATCHES = 150
F1, AP = MEASURES.index("f1"), MEASURES.index("macro_ap")


def runs(variant: str, seeds: int, skill: float, patches: int = PATCHES) -> Runs:
    """Trainings on the same labels, whatever the variant; the last class has no positive."""
    labels = (np.random.default_rng(0).random((patches, 19)) < 0.2).astype(np.uint8)
    labels[:, -1] = 0
    random = np.random.default_rng([ord(letter) for letter in variant])
    scores = [np.clip(skill * labels + random.random(labels.shape) * 0.7, 0, 1) for _ in range(seeds)]
    names = [f"S2A_MSIL2A_201706{number:05}_0_0" for number in range(patches)]
    return Runs(variant, names, labels, [values.astype(np.float32) for values in scores], [0.5] * seeds)


def compared(a: Runs, b: Runs, count: int = 100, **options: float) -> dict[str, Difference]:
    found = contrast(samples.sample(a, count, 0), samples.sample(b, count, 0), **options)
    return {difference.measure: difference for difference in found}


def f1(of: Runs) -> np.ndarray:
    return metrics.f1(of.labels, of.scores[0] >= 0.5, of.scores[0])


def flat(variant: str, values: list[float], clusters: int = 30) -> Sample:
    """Trainings that differ, on patches that do not."""
    table = np.repeat(np.array(values)[:, None], len(MEASURES), 1)
    return Sample(variant, table, np.repeat(table.mean(0, keepdims=True), 200, 0), clusters)


def test_one_training_each_is_the_paired_t_test() -> None:
    """On single patches: p, interval, equivalence, effect and what could be detected, as others have them."""
    a, b = runs("hat", 1, 0.36), runs("bicubic", 1, 0.3)
    found = difference_in(samples.sample(a, 1000, 0), samples.sample(b, 1000, 0), F1, 0.07)
    expected = stats.ttest_rel(f1(a), f1(b))
    differences = f1(a) - f1(b)
    interval = expected.confidence_interval(0.95)
    half = (interval.high - interval.low) / 2
    assert found.difference == pytest.approx(differences.mean())
    assert 0.001 < expected.pvalue < 0.2
    assert found.p == pytest.approx(expected.pvalue, rel=0.3)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.05 * half)
    assert found.effect == pytest.approx(differences.mean() / differences.std(ddof=1), rel=0.05)
    assert found.p_equivalent == pytest.approx(ttost_paired(f1(a), f1(b), -0.07, 0.07)[0], rel=0.2)
    for tests in (1, 4):
        power = TTestPower().solve_power(nobs=PATCHES, power=0.8, alpha=0.05 / tests)
        assert found.detectable(tests) == pytest.approx(power * differences.std(ddof=1), rel=0.05)
    assert not found.any_training
    assert found.error_seeds is None


def test_trainings_alone_are_welchs_t_test() -> None:
    a, b = [0.71, 0.74, 0.75], [0.70, 0.66, 0.69, 0.69]
    found = contrast(flat("a", a), flat("b", b))[AP]
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.any_training
    assert found.error_patches == pytest.approx(0, abs=1e-9)
    assert found.seeds == (3, 4)


def test_both_sources_add_up() -> None:
    found = compared(runs("hat", 3, 0.4), runs("bicubic", 3, 0.3))["macro_ap"]
    assert found.low is not None
    assert found.difference is not None
    assert found.error_patches is not None
    assert found.error_seeds is not None
    half = found.difference - found.low
    assert half > 1.96 * np.hypot(found.error_patches, found.error_seeds)
    assert min(found.error_patches, found.error_seeds) > 0


def test_two_trainings_claim_nothing_about_another() -> None:
    found = compared(runs("hat", 2, 0.4), runs("bicubic", 3, 0.3))["macro_ap"]
    assert not found.any_training
    assert found.low is not None


def test_gain_is_positive_where_better() -> None:
    found = compared(runs("hat", 3, 0.5), runs("bicubic", 3, 0.2))
    for measure in ("macro_ap", "hamming_loss", "one_error"):
        assert (found[measure].gain or 0) > 0.02, measure
    assert (found["hamming_loss"].difference or 0) < 0


def test_a_variant_against_itself() -> None:
    found = compared(runs("hat", 3, 0.3), runs("hat", 3, 0.3))["f1"]
    assert found.difference == 0
    assert found.p == 1


def test_equal_trainings_are_equivalent() -> None:
    same = flat("a", [0.7, 0.7, 0.7])
    found = contrast(same, replace(same, variant="b"))[AP]
    assert found.p_equivalent is not None
    assert found.p_equivalent < 0.05
    assert (found.p, found.low, found.high) == pytest.approx((1, 0, 0), abs=1e-9)


def test_equivalence_is_concluded_in_macro_ap_alone() -> None:
    """A margin of 0.02 is small for it, and a seventh of what Hamming loss is."""
    same = flat("a", [0.15, 0.15, 0.15])
    found = contrast(same, replace(same, variant="b"))
    assert [each.measure for each in found if each.p_equivalent is not None] == ["macro_ap"]
    assert [each.measure for each in found if each.margin is not None] == ["macro_ap"]


def test_undefined_measures_are_holes() -> None:
    """Average precision of a class without positives; its F2 is 0, as in scikit-learn."""
    found = compared(runs("hat", 3, 0.4), runs("bicubic", 3, 0.3))
    last = found[MEASURES[-1]]
    assert last.measure.startswith("ap ")
    assert (last.value_a, last.difference, last.low, last.p, last.detectable(1)) == (None,) * 5
    for difference in found.values():
        for value in vars(difference).values():
            assert not isinstance(value, float) or np.isfinite(value)


@pytest.mark.parametrize("patches", [1, 12])
def test_one_product_gives_no_interval(patches: int) -> None:
    a, b = runs("hat", 3, 0.4, patches), runs("bicubic", 3, 0.3, patches)
    one = np.zeros(patches, np.intp)
    found = contrast(samples.sample(a, 100, 0, one), samples.sample(b, 100, 0, one))[F1]
    assert found.products == 1
    assert found.difference is not None
    assert (found.low, found.p, found.detectable(1), found.p_equivalent) == (None,) * 4


def test_same_seed_same_differences() -> None:
    a, b = runs("hat", 3, 0.4), runs("bicubic", 3, 0.3)
    assert compared(a, b) == compared(a, b)
    with pytest.raises(BadInput, match="not resampled alike"):
        contrast(samples.sample(a, 100, 0), samples.sample(b, 50, 0))


def test_values_are_those_of_evaluate() -> None:
    """A resample that draws each patch once is the test set itself; each training has its own threshold."""
    a = replace(runs("hat", 2, 0.4), thresholds=[0.3, 0.6])
    found = samples.sample(a, 50, 0)
    for training, (scores, threshold) in enumerate(zip(a.scores, a.thresholds, strict=True)):
        expected = metrics.measure(a.labels, scores >= threshold, scores)
        classes = metrics.by_class(a.labels, scores >= threshold, scores)
        for number, measure in enumerate(MEASURES[: len(metrics.METRICS)]):
            assert found.values[training, number] == pytest.approx(expected[measure], abs=1e-12)
        for label, values in classes.items():
            assert found.values[training, MEASURES.index(f"f2 {label}")] == pytest.approx(values["f2"])
            ap = found.values[training, MEASURES.index(f"ap {label}")]
            assert ap == pytest.approx(values["ap"]) if values["ap"] is not None else np.isnan(ap)


def test_same_patches_in_another_order_are_aligned() -> None:
    a, b = runs("hat", 3, 0.4), runs("bicubic", 3, 0.3)
    order = np.random.default_rng(1).permutation(PATCHES)
    shuffled = Runs(
        "bicubic",
        [b.names[row] for row in order],
        b.labels[order],
        [scores[order] for scores in b.scores],
        b.thresholds,
    )
    assert compared(a, samples.align(shuffled, a), 50) == compared(a, b, 50)


def test_other_patches_and_other_labels_are_refused() -> None:
    a = runs("hat", 1, 0.4)
    fewer = Runs("fewer", a.names[1:], a.labels[1:], [a.scores[0][1:]], a.thresholds)
    with pytest.raises(BadInput, match=f"fewer and hat: 1 test patches are in one .* {a.names[0]}"):
        samples.align(fewer, a)
    labels = a.labels.copy()
    labels[[4, 7], 0] ^= 1
    with pytest.raises(BadInput, match=f"other and hat: the labels of 2 test patches .* {a.names[4]}"):
        samples.align(replace(a, variant="other", labels=labels), a)


def test_a_variants_trainings_are_read_and_aligned(tmp_path: Path) -> None:
    a = runs("hat", 2, 0.4)
    backwards = slice(None, None, -1)
    files = [
        (a.scores[0], a.labels, a.names),
        (a.scores[1][backwards], a.labels[backwards], a.names[backwards]),
    ]
    cells = []
    for seed, content in enumerate(files):
        predictions.write(tmp_path / f"{seed}.h5", {"test": predictions.Predictions(*content)}, {})
        name = f"hat-resnet50-s{seed}"
        cells.append(
            Cell(name, "hat", "resnet50", seed, {"threshold": 0.5}, {}, predictions=tmp_path / f"{seed}.h5")
        )
    found = samples.read("hat", cells)
    assert found.names == a.names
    for scores, expected in zip(found.scores, a.scores, strict=True):
        np.testing.assert_array_equal(scores, expected)
    with pytest.raises(BadInput, match="hat-resnet50-s1: a folder of results has no predictions"):
        samples.read("hat", [cells[0], replace(cells[1], predictions=None)])


def test_another_order_of_classes_is_told_by_its_first_difference(tmp_path: Path) -> None:
    file, labels = tmp_path / "predictions.h5", list(CLASSES)
    predictions.write(file, {}, {})
    for names, said in (
        (
            [*labels[:7], labels[8], labels[7], *labels[9:]],
            rf"\['{labels[8]}'\] .* 8 on, expected \['{labels[7]}'\]",
        ),
        (labels[:18], rf"\[\] from place 19 on, expected \['{labels[18]}'\]"),
        ([*labels, "Clouds"], r"\['Clouds'\] from place 20 on, expected \[\]"),
    ):
        with h5py.File(file, "a") as edited:
            write_texts(edited, {"classes": json.dumps(names)})
        with pytest.raises(BadInput, match=rf"predictions.h5: its classes are {said}; predict again"):
            predictions.read(file)


def test_holm() -> None:
    """Holm 1979: times 3, 2, 1, from the smallest on, never falling."""
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([None]) == [None]
    assert holm([]) == []


@given(st.lists(st.none() | st.floats(0, 1), min_size=1))
def test_holm_is_statsmodels(p: list[float | None]) -> None:
    known = [value for value in p if value is not None]
    found = holm(p)
    assert [value is None for value in found] == [value is None for value in p]
    expected = multipletests(known, method="holm")[1].tolist() if known else []
    assert [value for value in found if value is not None] == expected


def test_fiellers_bounds_differ_from_the_ratio_by_just_t_standard_errors() -> None:
    top, bottom, of_top, of_bottom, of_both, t = 0.05, 0.1, 4e-4, 5e-4, 2e-4, 2.1
    bounds = fieller(top, bottom, of_top, of_bottom, of_both, t)
    assert bounds is not None
    assert bounds[0] < top / bottom < bounds[1]
    for ratio in bounds:
        variance = of_top - 2 * ratio * of_both + ratio**2 * of_bottom
        assert (top - ratio * bottom) ** 2 == pytest.approx(t**2 * variance)
    assert fieller(top, bottom, of_top, 0.01, of_both, t) is None


def test_share_of_the_way() -> None:
    seeds = [0.0, 0.001, -0.001]
    control, half, whole = (
        flat(name, [value + seed for seed in seeds])
        for name, value in (("bicubic", 0.5), ("hat", 0.55), ("truth", 0.6))
    )
    found = share(half, control, whole)
    assert found.value == pytest.approx(0.5)
    assert found.low is not None
    assert found.high is not None
    assert 0.47 < found.low < 0.5 < found.high < 0.53
    assert share(half, control, control).why == "the way from bicubic to bicubic may be none"
    assert share(half, whole, control).why == "bicubic did worse than truth"
    half, control, whole = (replace(sample, clusters=1) for sample in (half, control, whole))
    assert "undefined" in share(half, control, whole).why


@pytest.fixture(scope="module")
def planted() -> list[statistics.Outcome]:
    return statistics.outcomes(statistics.PLANTED, 200)


def test_intervals_hold_a_planted_difference(planted: list[statistics.Outcome]) -> None:
    """95 % of 200, within what chance does once in 1,000 times; simpler statistics fail."""
    low, high = stats.binom.ppf([0.001, 0.9999], 200, 0.95)
    assert low <= sum(outcome.inside for outcome in planted) <= high
    shares = [outcome.share_inside for outcome in planted if outcome.share_inside is not None]
    assert len(shares) > 50
    assert sum(shares) >= stats.binom.ppf(0.001, len(shares), 0.95)
    assert sum(outcome.inside_single for outcome in planted) < low
    assert sum(outcome.inside_patches for outcome in planted) < low


def test_where_nothing_differs_nothing_is_found() -> None:
    """p is uniform, but for intervals that are a little too wide; a family of 4 errs in 5 % at most."""
    found = statistics.outcomes(statistics.NULL, 200)
    p = np.array([outcome.p for outcome in found])
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    assert sum(outcome.any_rejected for outcome in found) <= stats.binom.ppf(0.999, 200, 0.05)

"""The sentence on top says what the numbers allow, and no more."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srscene.compare.answer import Contrast, Finding, answer, asked, families, shares, signed
from srscene.compare.significance import Difference, Share

CLEAR = Difference(
    "a", "b", "macro_ap", (3, 3), 20, 0.02, 0.53, 0.5, 0.03, 0.01, 0.05, p=0.004, p_equivalent=0.9,
    error_patches=0.008, error_seeds=0.004, freedom=40.0,
)  # fmt: skip
SHARE = Share(0.43, -0.12, 0.7)


def contrast(sr: str = "hat", share: Share | None = None, **changes: object) -> Contrast:
    return Contrast(sr, "bicubic", "resnet152", [replace(CLEAR, **changes)], share)


def said(*contrasts: Contrast, synthetic: bool = False) -> str:
    return answer(asked(families(contrasts)), synthetic)


def test_better() -> None:
    assert said(contrast()) == (
        "By macro AP against bicubic enlargement, HAT on ResNet-152 (+0.030 [+0.010, +0.050]) did better."
    )


def test_worse() -> None:
    text = said(contrast(difference=-0.03, low=-0.05, high=-0.01))
    assert "HAT on ResNet-152 (−0.030 [−0.050, −0.010]) did worse" in text


def test_equivalent_within_the_margin() -> None:
    text = said(contrast(difference=0.001, low=-0.005, high=0.007, p=0.7, p_equivalent=0.001))
    assert "(+0.001 [−0.005, +0.007]) did as well, within a margin of 0.02." in text


def test_equivalent_and_yet_an_interval_without_0() -> None:
    """Found alone, not after Holm: that it is small is told, and that 0 is outside too."""
    small = contrast(difference=0.005, low=0.0001, high=0.0099, p=0.046, p_equivalent=1e-6)
    found = families([small, contrast("seesr", p=0.04, p_equivalent=0.5)]).declared
    assert [finding.verdict for finding in found] == ["equivalent, 0 outside", "undecided"]
    assert "did as well, within a margin of 0.02, though 0 is not in the interval" in answer(found, False)


def test_cannot_tell_with_the_smallest_detectable_effect() -> None:
    text = said(contrast(difference=0.01, low=-0.01, high=0.03, p=0.3))
    assert "about HAT on ResNet-152 (+0.010 [−0.010, +0.030]; only 0.026 or more" in text
    assert "nothing can be told yet" in text


def test_these_trainings_only() -> None:
    text = said(contrast(seeds=(1, 1), error_seeds=None))
    assert "HAT on ResNet-152 gave +0.030 [+0.010, +0.050], in these trainings alone" in text
    assert "better" not in text


def test_undefined_and_nothing_to_compare() -> None:
    hole = contrast(difference=None, low=None, high=None, p=None, freedom=None)
    assert "could not be measured" in said(hole)
    assert "could not be measured" in said(
        contrast(difference=0.0, low=0.0, high=0.0, p=1.0, p_equivalent=0.0)
    )
    assert said(contrast("truth"), contrast("none")).startswith("Nothing can be compared yet")


def test_synthetic_data_is_said() -> None:
    assert said(contrast(), synthetic=True).startswith("On synthetic patches, which prove nothing about real")


def test_holm_counts_all_upscalers() -> None:
    alone = contrast(p=0.03)
    assert "better" in said(alone)
    assert "better" not in said(alone, contrast("seesr", p=0.5), contrast("srresnet", p=0.6))


def test_what_could_be_found_is_less_among_many() -> None:
    """«Found» needs p after Holm: at a quarter of 5 % where four are tested."""
    undecided = {"difference": 0.01, "low": -0.01, "high": 0.03, "p": 0.3}
    four = families([contrast(f"made{number}", **undecided) for number in range(4)]).declared
    assert {finding.detectable for finding in four} == {CLEAR.detectable(4)}
    assert (CLEAR.detectable(4) or 0) > (CLEAR.detectable(1) or 0)
    assert "only 0.031 or more" in answer(four, False)


def test_other_measures_and_controls_are_not_of_the_family() -> None:
    other = Contrast("hat", "none", "resnet152", [CLEAR])
    assert families([other, contrast(measure="f1")]).declared == []


def test_each_family_is_adjusted_within_itself() -> None:
    """Floor and ceiling in macro AP are no less sure for what is tested in other metrics, or in classes."""
    measures = ("macro_ap", "f1", "hamming_loss", "ap Moors", "f2 Moors")
    found = families(
        Contrast(sr, "bicubic", "resnet50", [replace(CLEAR, measure=measure) for measure in measures])
        for sr in ("none", "truth", "hat")
    )
    parts = [*found[:3], *found.classes]
    assert [len(part) for part in parts] == [1, 2, 6, 2, 2, 2]
    for part in parts:
        assert [finding.p for finding in part] == pytest.approx([len(part) * 0.004] * len(part))
    assert [finding.contrast.sr for finding in found.undeclared] == ["none", "truth"]


def test_another_control_is_exploratory_and_named() -> None:
    against = [Contrast(sr, "none", "resnet152", [CLEAR]) for sr in ("hat", "bicubic", "truth")]
    found = families(against)
    assert found.declared == []
    assert answer(asked(found), False) == (
        "By macro AP against No SR (exploratory: the declared control is bicubic enlargement), HAT on "
        "ResNet-152 (+0.030 [+0.010, +0.050]) and Bicubic on ResNet-152 (+0.030 [+0.010, +0.050]) did better."
    )


def test_many_upscalers_stay_one_sentence() -> None:
    text = said(*(contrast(f"made{number}", difference=0.03 + number / 1000, p=1e-6) for number in range(12)))
    assert "made11" in text
    assert "made0 " not in text
    assert "and 9 more (in the table) did better" in text
    assert text.count(". ") == 0


def test_share_of_the_way_to_the_truth() -> None:
    two = [contrast(share=SHARE), contrast("seesr", Share(None, why="the way may be none"))]
    text, why = shares(families(two).declared)
    assert text == "HAT on ResNet-152 goes 43 % [−12 %, 70 %] of the way from bicubic to the truth."
    assert why.endswith("cannot be told (the way may be none).")
    few = shares(families([contrast(share=SHARE, error_seeds=None)]).declared)
    assert few[0].endswith("to the truth, in these trainings alone.")
    assert shares(families([contrast()]).declared) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.02, "+0.020"), (-0.0213, "−0.021"), (0.0, "+0.000"), (0.00012, "+0.0001"), (None, "–")],
)
def test_a_difference_is_never_rounded_to_nothing(value: float | None, text: str) -> None:
    assert signed(value) == text


numbers = st.one_of(st.none(), st.floats(-1, 1))
chances = st.one_of(st.none(), st.floats(0, 1), st.floats(0.04, 0.06))


@st.composite
def differences(draw: st.DrawFn) -> Difference:
    measured = draw(st.booleans())
    low, high = sorted(draw(st.tuples(st.floats(-1, 1), st.floats(-1, 1))))
    return replace(
        CLEAR,
        difference=draw(st.floats(low, high)) if measured else draw(numbers),
        low=low if measured else None,
        high=high if measured else None,
        p=draw(chances),
        p_equivalent=draw(chances),
        error_seeds=draw(numbers),
    )


@given(st.lists(st.tuples(differences(), chances, chances, numbers), min_size=1, max_size=8), st.booleans())
def test_better_is_never_said_without_the_numbers(
    found: list[tuple[Difference, float | None, float | None, float | None]], synthetic: bool
) -> None:
    findings = [Finding(contrast(f"made{number}"), *each) for number, each in enumerate(found)]
    text = answer(findings, synthetic)
    for finding in findings:
        each = finding.difference
        holds_0 = each.low is None or each.high is None or each.low <= 0 <= each.high
        if finding.p is None or finding.p > 0.05 or holds_0 or each.error_seeds is None:
            assert finding.verdict not in ("better", "worse")
    for word in ("better", "worse"):
        assert (f"did {word}" in text) == any(finding.verdict == word for finding in findings)
    assert ("synthetic" in text) == synthetic

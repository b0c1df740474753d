"""The answer in one sentence, generated from the numbers and never stronger than they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from srscene.compare.significance import FRAME, LEVEL, PRIMARY, Difference, Share, holm
from srscene.compare.tables import title

Verdict = Literal["better", "worse", "equivalent", "undecided", "these trainings", "unmeasured"]
CONTROL = "bicubic"
LISTED = 3
"""Upscalers of one verdict that the sentence names; the table has the others."""


@dataclass(frozen=True)
class Contrast:
    """An upscaler against a control on one backbone."""

    sr: str
    control: str
    backbone: str
    differences: Sequence[Difference]
    """In each of MEASURES, as `significance.contrast` gives them."""
    share: Share | None = None
    """Of the way from the control to the truth in macro AP, where there is a truth."""

    @property
    def interval(found: Difference) -> str:
    """Return a difference and its 95 % interval."""
    ends = "" if found.low is None else f" [{signed(found.low)}, {signed(found.high)}]"
    return signed(found.difference) + ends


def signed(value: float | None) -> str:
    """Return a difference with its sign and three digits, more where they would be zeros; a hole as –."""
    if value is None:
        return "–"
    text = f"{value:+.3f}" if abs(value) >= 0.0005 or not value else f"{value:+.1g}"
    return text.replace("-", "−", 1)


def probability(p: float | None) -> str:
    """Return a p value with three digits; a hole as –."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"

"""The answer in one sentence, generated from the numbers and never stronger than they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from srscene.compare.significance import LEVEL, PRIMARY, Difference, Share, holm
from srscene.compare.tables import title
from srscene.evaluate.metrics import METRICS
from srscene.sr.shown import is_upscaler

Verdict = Literal[
    "better", "worse", "equivalent", "equivalent, 0 outside", "undecided", "these trainings", "unmeasured"
]
CONTROL = "bicubic"
OF_ALL = {metric.name for metric in METRICS}
"""Measures that are not of a single class."""
NO_UPSCALER = "there is no upscaler beside the control"
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
    def title(self) -> str:
        return f"{title(self.sr)} on {title(self.backbone)}"


class Finding(NamedTuple):
    """A contrast in one measure, with what depends on all that are tested with it: p values after Holm."""

    contrast: Contrast
    difference: Difference
    p: float | None
    p_equivalent: float | None
    detectable: float | None = None
    """The true difference that would have been found with a probability of 80 %, one of so many tests."""

    @property
    def verdict(self) -> Verdict:
        """What the numbers allow to say about another training and other patches."""
        found = self.difference
        if found.gain is None or found.low is None or found.high is None or self.p is None:
            return "unmeasured"
        if found.low == found.high:  # no resample differs, as in a class without any patch
            return "unmeasured"
        if not found.any_training:
            return "these trainings"
        outside = not found.low <= 0 <= found.high
        if self.p < 1 - LEVEL and outside:
            return "better" if found.gain > 0 else "worse"
        if self.p_equivalent is not None and self.p_equivalent < 1 - LEVEL:
            return "equivalent, 0 outside" if outside else "equivalent"
        return "undecided"


def adjusted(pairs: Iterable[tuple[Contrast, Difference]]) -> list[Finding]:
    """Return these differences as one family of tests."""
    pairs = list(pairs)
    p = holm([difference.p for _, difference in pairs])
    p_equivalent = holm([difference.p_equivalent for _, difference in pairs])
    tests = sum(value is not None for value in p)
    detectable = [difference.detectable(tests) for _, difference in pairs]
    return [Finding(*pair, *values) for pair, *values in zip(pairs, p, p_equivalent, detectable, strict=True)]


class Families(NamedTuple):
    """All differences, by what p is adjusted within (Holm); all but the declared family is exploratory."""

    declared: list[Finding]
    """Each upscaler against bicubic enlargement on each backbone, in the primary metric."""
    undeclared: list[Finding]
    """All else in the primary metric: floor and ceiling, or whatever has another control."""
    metrics: list[Finding]
    """The other metrics."""
    classes: list[list[Finding]]
    """F2 and average precision of each class, a family for each contrast."""


def families(contrasts: Iterable[Contrast]) -> Families:
    """Return all differences of contrasts, with their p values adjusted."""
    by_contrast = [[(contrast, found) for found in contrast.differences] for contrast in contrasts]
    pairs = [pair for of_one in by_contrast for pair in of_one]
    return Families(
        adjusted(pair for pair in pairs if pair[1].measure == PRIMARY and _declared(pair[0])),
        adjusted(pair for pair in pairs if pair[1].measure == PRIMARY and not _declared(pair[0])),
        adjusted(pair for pair in pairs if pair[1].measure in OF_ALL - {PRIMARY}),
        [adjusted(pair for pair in of_one if pair[1].measure not in OF_ALL) for of_one in by_contrast],
    )


def _declared(contrast: Contrast) -> bool:
    return contrast.control == CONTROL and is_upscaler(contrast.sr)


def asked(found: Families) -> list[Finding]:
    """Return what the answer is about: the declared family, or the upscalers and CONTROL against another."""
    return found.declared or [
        finding
        for finding in found.undeclared
        if finding.contrast.control != CONTROL
        and (is_upscaler(finding.contrast.sr) or finding.contrast.sr == CONTROL)
    ]


def undeclared(findings: Sequence[Finding]) -> str:
    """Return what `Families.undeclared` compares, in words."""
    upscalers = " and ".join(dict.fromkeys(title(finding.contrast.sr) for finding in findings))
    return f"{upscalers} against {_control(findings)}, by {title(PRIMARY)}"


def _control(findings: Sequence[Finding]) -> str:
    control = findings[0].contrast.control
    return "bicubic enlargement" if control == CONTROL else title(control)


def answer(findings: Sequence[Finding], synthetic: bool, why: str = NO_UPSCALER) -> str:
    """Return the answer that these findings (`asked`) give, in one sentence; where there are none, `why`."""
    if not findings:
        return f"Nothing can be compared yet: {why}."
    groups: dict[Verdict, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: -abs(finding.difference.difference or 0)):
        groups.setdefault(finding.verdict, []).append(finding)
    parts = [_say(verdict, groups[verdict]) for verdict in SENTENCES if verdict in groups]
    place = "On synthetic patches, which prove nothing about real ones, and by" if synthetic else "By"
    against = _control(findings)
    if findings[0].contrast.control != CONTROL:
        against += " (exploratory: the declared control is bicubic enlargement)"
    return f"{place} {title(PRIMARY)} against {against}, {'; '.join(parts)}."


SENTENCES: dict[Verdict, str] = {
    "better": "{} did better",
    "worse": "{} did worse",
    "equivalent": "{} did as well, within a margin of {margin:g}",
    "equivalent, 0 outside": "{} did as well, within a margin of {margin:g}, though 0 is not in the interval",
    "undecided": "about {} nothing can be told yet",
    "these trainings": "{}, in these trainings alone: 3 of each are needed to tell about others",
    "unmeasured": "{} could not be measured (undefined, or patches of one product)",
}
"""In the order in which they are said."""


def _say(verdict: Verdict, findings: Sequence[Finding]) -> str:
    named = [_named(verdict, finding) for finding in findings[:LISTED]]
    if (more := len(findings) - LISTED) > 0:
        named.append(f"{more} more (in the table)")
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return SENTENCES[verdict].format(listed, margin=findings[0].difference.margin)


def _named(verdict: Verdict, finding: Finding) -> str:
    found, name = finding.difference, finding.contrast.title
    if verdict == "unmeasured":
        return name
    if verdict == "these trainings":
        return f"{name} gave {interval(found)}"
    if verdict == "undecided" and finding.detectable is not None:
        least = f"only {finding.detectable:.2g} or more would likely have been found"
        return f"{name} ({interval(found)}; {least})"
    return f"{name} ({interval(found)})"


def shares(findings: Iterable[Finding]) -> list[str]:
    """Return a sentence for each upscaler that tells how much of the way to the truth it goes."""
    return [
        _share(contrast, contrast.share, difference)
        for contrast, difference, *_ in findings
        if contrast.share is not None
    ]


def _share(contrast: Contrast, share: Share, difference: Difference) -> str:
    way = f"of the way from {contrast.control} to the truth"
    if share.value is None or share.low is None or share.high is None:
        return f"{contrast.title}: which part {way} it goes cannot be told ({share.why})."
    value, low, high = (
        f"{100 * part:.0f} %".replace("-", "−") for part in (share.value, share.low, share.high)
    )
    only = "" if difference.any_training else ", in these trainings alone"
    return f"{contrast.title} goes {value} [{low}, {high}] {way}{only}."


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

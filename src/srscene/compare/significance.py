"""Is one variant better than another, by how much, and how sure is that?

Two sources of variance are told apart: the test patches (resampled by Sentinel-2 product, the same resamples
for both variants, so that they are paired), and the trainings (seeds). An interval is Student's t on the root
of the sum of both variances, with Welch's and Satterthwaite's degrees of freedom. What a training and a patch
do together counts in both, which makes intervals a little too wide, never too narrow. Trainings of the two
variants count as independent: a seed that they share makes them alike, if anything, and intervals too wide.
docs/statistics.md tells how often the intervals hold the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from srscene.compare.samples import LOWER_IS_BETTER, MEASURES, Sample
from srscene.evaluate.metrics import Floats
from srscene.runtime.console import BadInput

LEVEL = 0.95
POWER = 0.8
MARGIN = 0.02
"""Of PRIMARY, in which alone equivalence is concluded: a smaller difference is as good as none. Of a Hamming
loss, say, it would be much.
"""
PRIMARY = "macro_ap"
FEWEST_SEEDS = 3
"""Trainings of each variant, below which nothing is claimed about another one."""


@dataclass(frozen=True)
class Difference:
    """Variant `a` less variant `b` in one measure; None where it is undefined or nothing tells."""

    a: str
    b: str
    measure: str
    seeds: tuple[int, int]
    products: int
    margin: float | None
    """Of equivalence; None where it is not asked for."""
    value_a: float | None
    value_b: float | None
    difference: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """Two-sided, of no difference."""
    p_equivalent: float | None = None
    """Of a difference of `margin` or more (two one-sided tests)."""
    effect: float | None = None
    """The difference over its standard deviation between products (Cohen's d for pairs)."""
    error_patches: float | None = None
    error_seeds: float | None = None
    """Standard errors; None below FEWEST_SEEDS trainings of each, and then all holds for these alone."""
    freedom: float | None = None
    """Degrees of freedom of both errors together."""

    @property
    def any_training(self) -> bool:
        """Whether it tells about other trainings than these."""
        return self.error_seeds is not None

    @property
    def gain(self) -> float | None:
        """The difference, positive where `a` is better."""
        if self.difference is None:
            return None
        return -self.difference if self.measure in LOWER_IS_BETTER else self.difference

    def detectable(self, tests: int) -> float | None:
        """Return the true difference that would have been found with a probability of 80 %, one of `tests`.

        Found at 5 % / `tests`, as Holm's method asks of the smallest p: rather too large than too small.
        """
        if self.freedom is None or self.error_patches is None:
            return None
        error = np.hypot(self.error_patches, self.error_seeds or 0.0)
        found = stats.t.isf((1 - LEVEL) / 2 / tests, self.freedom)
        return float((found + stats.t.ppf(POWER, self.freedom)) * error)


def contrast(a: Sample, b: Sample, margin: float = MARGIN) -> list[Difference]:
    """Return the difference in each of MEASURES, of which `margin` is PRIMARY's.

    Raises BadInput where a and b are not resampled alike.
    """
    if a.drawn.shape != b.drawn.shape or a.clusters != b.clusters:
        raise BadInput(f"{a.variant} and {b.variant}: not resampled alike; compare them in one call")
    return [
        difference_in(a, b, number, margin if measure == PRIMARY else None)
        for number, measure in enumerate(MEASURES)
    ]


def difference_in(a: Sample, b: Sample, number: int, margin: float | None = None) -> Difference:
    """Return the difference in one of MEASURES; without a margin nothing is said about equivalence."""
    of_a, of_b = a.values[:, number], b.values[:, number]
    seeds = len(of_a), len(of_b)
    value_a, value_b = (None if np.isnan(values).any() else float(values.mean()) for values in (of_a, of_b))
    difference = value_a - value_b if value_a is not None and value_b is not None else None
    plain = Difference(
        a.variant, b.variant, MEASURES[number], seeds, a.clusters, margin, value_a, value_b, difference
    )
    drawn = a.drawn[:, number] - b.drawn[:, number]
    patches = spread(drawn, drawn, a.clusters)
    if difference is None or patches is None:
        return plain
    trainings = [_of_mean(of_a), _of_mean(of_b)] if min(seeds) >= FEWEST_SEEDS else []
    error, freedom = combined(patches, a.clusters, trainings)
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return replace(
        plain,
        low=difference - half,
        high=difference + half,
        p=_two_sided(difference, error, freedom),
        p_equivalent=None if margin is None else _one_sided(margin - abs(difference), error, freedom),
        effect=difference / float(np.sqrt(patches * a.clusters)) if patches else None,
        error_patches=float(np.sqrt(patches)),
        error_seeds=float(np.sqrt(sum(variance for variance, _ in trainings))) if trainings else None,
        freedom=freedom,
    )


def spread(x: Floats, y: Floats, clusters: int) -> float | None:
    """Return the covariance of two measures over resamples (R,), without the bootstrap's bias; None where
    there are too few resamples in which both are defined.
    """
    both = ~(np.isnan(x) | np.isnan(y))
    if clusters < 2 or both.sum() < 50:
        return None
    return float(np.cov(x[both], y[both])[0, 1]) * clusters / (clusters - 1)


def _of_mean(values: Floats) -> tuple[float, int]:
    """Return the variance of a mean over trainings, and its degrees of freedom."""
    return float(values.var(ddof=1)) / len(values), len(values) - 1


def combined(patches: float, clusters: int, trainings: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Return the standard error of both sources, and its degrees of freedom (Welch and Satterthwaite)."""
    parts = [(patches, clusters - 1), *trainings]
    total = sum(variance for variance, _ in parts)
    below = sum(variance**2 / freedom for variance, freedom in parts)
    return float(np.sqrt(total)), total**2 / below if below else float(clusters - 1)


def _two_sided(difference: float, error: float, freedom: float) -> float:
    if not error:
        return 1.0 if not difference else 0.0
    return float(2 * stats.t.sf(abs(difference) / error, freedom))


def _one_sided(distance: float, error: float, freedom: float) -> float:
    if not error:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / error, freedom))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return p values adjusted for all of them being tested (Holm); None stays None."""
    known = np.array([value for value in p if value is not None])
    order = known.argsort()
    steps = np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1))
    adjusted = np.minimum(steps, 1)[order.argsort()].tolist()
    return [None if value is None else adjusted.pop(0) for value in p]


@dataclass(frozen=True)
class Share:
    """Which part of the way from a control to the ceiling a variant goes; without a value it says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


def share(a: Sample, control: Sample, ceiling: Sample, measure: str = PRIMARY) -> Share:
    """Return (a − control) / (ceiling − control) with Fieller's interval.

    There is none where the interval of the denominator touches 0: any share could be true then.
    """
    number = MEASURES.index(measure)
    way = difference_in(ceiling, control, number)
    if way.difference is None or way.low is None or way.high is None:
        return Share(None, why=f"{measure} is undefined, or its interval is")
    if way.gain is not None and way.gain < 0 < way.low * way.high:
        return Share(None, why=f"{ceiling.variant} did worse than {control.variant}")
    if way.low <= 0 <= way.high:
        return Share(None, why=f"the way from {control.variant} to {ceiling.variant} may be none")
    part, rest = [s.drawn[:, number] - control.drawn[:, number] for s in (a, ceiling)]
    means = [float(s.values[:, number].mean()) for s in (a, ceiling, control)]
    top, bottom = means[0] - means[2], means[1] - means[2]
    variances = [spread(x, y, a.clusters) for x, y in ((part, part), (rest, rest), (part, rest))]
    if None in variances:
        return Share(None, why=f"{measure} has no interval")
    of_top, of_bottom, of_both = (value or 0.0 for value in variances)
    freedom = float(a.clusters - 1)
    if way.any_training and len(a.values) >= FEWEST_SEEDS:
        of_seeds = [_of_mean(s.values[:, number]) for s in (a, ceiling, control)]
        _, freedom = combined(of_bottom, a.clusters, of_seeds)
        of_top += of_seeds[0][0] + of_seeds[2][0]
        of_bottom += of_seeds[1][0] + of_seeds[2][0]
        of_both += of_seeds[2][0]
    low_high = fieller(top, bottom, of_top, of_bottom, of_both, float(stats.t.ppf((1 + LEVEL) / 2, freedom)))
    if low_high is None:
        return Share(None, why=f"the way from {control.variant} to {ceiling.variant} may be none")
    return Share(top / bottom, *low_high)


def fieller(
    top: float, bottom: float, of_top: float, of_bottom: float, of_both: float, t: float
) -> tuple[float, float] | None:
    """Return the interval of top / bottom from their variances and covariance; None where it has no bounds.

    Fieller 1954: the values r at which top − r · bottom differs from 0 by less than t standard errors.
    """
    square = bottom**2 - t**2 * of_bottom
    middle = top * bottom - t**2 * of_both
    inside = middle**2 - square * (top**2 - t**2 * of_top)
    if square <= 0 or inside < 0:
        return None
    return (middle - np.sqrt(inside)) / square, (middle + np.sqrt(inside)) / square

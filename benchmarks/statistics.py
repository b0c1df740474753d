"""Do the intervals of `srscene compare` hold the truth as often as they say? Made data with a known answer.

Two models of test patches and trainings: a plain mean of normal scores, and average precision of scores that
rank labels. Products have effects that their patches share, trainings have effects that their patches share.
What is compared goes the way of the real thing: the same resamples of whole products, the same code behind.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats
from tqdm import tqdm

from srscene.compare.samples import MEASURES, Sample
from srscene.compare.significance import Difference, difference_in, holm, share
from srscene.evaluate.metrics import Floats, Weighted, macro_ap

PRIMARY = MEASURES.index("macro_ap")
RESAMPLES = 200
MARGIN = 0.02
UPSCALERS = 4
"""In the family; all alike, and half of the way from the control to the ceiling."""


class Made(NamedTuple):
    """A test set of N patches, and what each variant's trainings are worth on resamples of it."""

    clusters: NDArray[np.intp]
    """(N,), each patch's product."""
    trainings: dict[str, list[Weighted]]
    """Of the control, the ceiling and UPSCALERS between."""


class Case(NamedTuple):
    """Where data come from, and the true difference between an upscaler and the control."""

    name: str
    make: Callable[[np.random.Generator], Made]
    gain: Callable[[], float]
    way: Callable[[], float]
    """From the control to the ceiling."""


def variants(gain: float, way: float) -> dict[str, float]:
    """Return what each variant has more than the control."""
    return {"control": 0.0, "ceiling": way, **{f"upscaler {number}": gain for number in range(UPSCALERS)}}


def clustered(random: np.random.Generator, products: int, patches: int) -> NDArray[np.intp]:
    """Return (N,) the product of each patch; products hold `patches` on average."""
    return np.repeat(np.arange(products), 1 + random.poisson(patches - 1, products))


def means(
    random: np.random.Generator,
    products: int,
    patches: int,
    seeds: int,
    of_product: float,
    of_seed: float,
    gain: float,
) -> Made:
    """Return scores whose mean is compared, with normal effects of product, patch, training and their
    meeting; `of_product` is the standard deviation of a variant's own effect of a product.
    """
    clusters = clustered(random, products, patches)
    count = len(clusters)
    common = 0.5 + random.normal(0, 0.1, products)[clusters] + random.normal(0, 0.1, count)
    trainings: dict[str, list[Weighted]] = {}
    for name, more in variants(gain, 2 * GAIN).items():
        own = random.normal(0, of_product, products)[clusters] + random.normal(0, 0.05, count)
        of_training = random.normal(0, of_seed, (seeds, 1)) + random.normal(0, 0.05, (seeds, count))
        trainings[name] = [partial(_mean, values) for values in more + common + own + of_training]
    return Made(clusters, trainings)


def _mean(values: Floats, counts: Floats) -> Floats:
    return np.asarray(counts @ values / counts.sum(1))


GAIN = 0.05
"""Of an upscaler in `means`, where one is planted; the ceiling's is twice that."""
CLASSES = 2
SEPARATION = 1.0
"""Of the scores of patches with a label from those without, in standard deviations, by the control."""
MORE, MOST = 0.25, 0.5
"""Of it, by the upscalers and the ceiling."""
OF_SEED = 0.05
"""Standard deviation of it between trainings."""


def rankings(random: np.random.Generator, products: int, patches: int, seeds: int, more: float) -> Made:
    """Return labels and scores whose macro average precision is compared."""
    clusters = clustered(random, products, patches)
    labels = _labels(random, clusters)
    common = _effects(random, clusters)
    trainings = {}
    for name, plus in variants(more, MOST).items():
        own = 0.5 * _effects(random, clusters)
        separations = SEPARATION + plus + random.normal(0, OF_SEED, seeds)
        trainings[name] = [
            macro_ap(labels, labels, separation * labels + common + own + random.normal(0, 0.3, labels.shape))
            for separation in separations
        ]
    return Made(clusters, trainings)


def _labels(random: np.random.Generator, clusters: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return (N, CLASSES); how common a label is depends on the product."""
    shares = random.beta(1, 4, (clusters[-1] + 1, CLASSES))
    return (random.random((len(clusters), CLASSES)) < shares[clusters]).astype(np.intp)


def _effects(random: np.random.Generator, clusters: NDArray[np.intp]) -> Floats:
    shape = clusters[-1] + 1, CLASSES
    return random.normal(0, 0.4, shape)[clusters] + random.normal(0, 0.4, (len(clusters), CLASSES))


@cache
def true_gain(patches: int, more: float) -> float:
    """Return what `rankings` has as true gain: of the mean training, on 20,000 products."""
    points, weights = np.polynomial.hermite_e.hermegauss(5)
    random = np.random.default_rng(1)
    clusters = clustered(random, 20_000, patches)
    labels = _labels(random, clusters)
    noise = _effects(random, clusters) + 0.5 * _effects(random, clusters)
    noise += random.normal(0, 0.3, noise.shape)
    once = np.ones((1, len(clusters)))

    def value(separation: float) -> float:
        return float(macro_ap(labels, labels, separation * labels + noise)(once)[0])

    gains = [
        value(SEPARATION + more + OF_SEED * point) - value(SEPARATION + OF_SEED * point) for point in points
    ]
    return float(np.average(gains, weights=weights))


def of_means(
    name: str, products: int, patches: int, seeds: int, of_product: float, of_seed: float, gain: float = GAIN
) -> Case:
    make = partial(
        means,
        products=products,
        patches=patches,
        seeds=seeds,
        of_product=of_product,
        of_seed=of_seed,
        gain=gain,
    )
    return Case(f"mean: {name}", make, lambda: gain, lambda: 2 * GAIN)


def of_rankings(name: str, products: int, patches: int, seeds: int, more: float = MORE) -> Case:
    make = partial(rankings, products=products, patches=patches, seeds=seeds, more=more)
    return Case(
        f"macro AP: {name}", make, partial(true_gain, patches, more), partial(true_gain, patches, MOST)
    )


NULL = of_means("no gain, 40 products × 5, 3 seeds", 40, 5, 3, 0.05, 0.02, gain=0.0)
PLANTED = of_means("gain, 40 products × 10, 5 seeds", 40, 10, 5, 0.1, 0.03)
CASES = (
    NULL,
    PLANTED,
    of_means("gain, 40 products × 5, 3 seeds", 40, 5, 3, 0.05, 0.02),
    of_means("gain, 80 single patches, 3 seeds", 80, 1, 3, 0.0, 0.02),
    of_means("gain, 12 products × 20, 5 seeds", 12, 20, 5, 0.05, 0.01),
    of_means("gain, 5 products × 40, 3 seeds", 5, 40, 3, 0.05, 0.01),
    of_means("gain, 40 products × 5, 3 seeds, all from seeds", 40, 5, 3, 0.0, 0.05),
    of_means("gain, 40 products × 5, 2 seeds that do not vary", 40, 5, 2, 0.05, 0.0),
    of_rankings("no gain, 40 products × 10, 3 seeds", 40, 10, 3, more=0.0),
    of_rankings("gain, 40 products × 10, 3 seeds", 40, 10, 3),
    of_rankings("gain, 15 products × 10, 5 seeds", 15, 10, 5),
)


class Outcome(NamedTuple):
    """One repetition: control, upscalers and the ceiling compared."""

    inside: bool
    """The interval of the first upscaler's gain holds the planted one."""
    inside_single: bool
    """The same, drawing patches one by one."""
    inside_patches: bool
    """The same by percentiles of the resamples, as if there were no other training."""
    p: float
    any_rejected: bool
    """Of the family, at 5 % after Holm."""
    share_inside: bool | None
    """Fieller's interval holds the planted share; None where no share is given."""


def repetition(case: Case, seed: int) -> Outcome:
    """Make data, compare them."""
    random = np.random.default_rng(seed)
    made = case.make(random)
    gain = case.gain()
    drawn = counts(made.clusters, random)
    samples = {name: sample(name, made.trainings[name], made.clusters, drawn) for name in made.trainings}
    control, ceiling, first = samples["control"], samples["ceiling"], samples["upscaler 0"]
    family = [
        difference_in(samples[name], control, PRIMARY, MARGIN) for name in samples if name.startswith("up")
    ]
    single = np.arange(len(made.clusters))
    drawn_single = counts(single, random)
    apart, control_apart = (
        sample(name, made.trainings[name], single, drawn_single) for name in ("upscaler 0", "control")
    )
    patches_alone = np.quantile(first.drawn[:, PRIMARY] - control.drawn[:, PRIMARY], [0.025, 0.975])
    part = share(first, control, ceiling)
    p = [found.p for found in family]
    assert p[0] is not None
    return Outcome(
        _holds(family[0], gain),
        _holds(difference_in(apart, control_apart, PRIMARY, MARGIN), gain),
        bool(patches_alone[0] <= gain <= patches_alone[1]),
        p[0],
        any(adjusted is not None and adjusted < 0.05 for adjusted in holm(p)),
        None if part.low is None or part.high is None else part.low <= gain / case.way() <= part.high,
    )


def _holds(found: Difference, truth: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def sample(name: str, trainings: list[Weighted], clusters: NDArray[np.intp], drawn: Floats) -> Sample:
    """Do with one measure what `samples.sample` does with all."""
    once = np.ones((1, len(clusters)))
    values, resampled = (np.full((rows, len(MEASURES)), np.nan) for rows in (len(trainings), len(drawn)))
    values[:, PRIMARY] = [training(once)[0] for training in trainings]
    resampled[:, PRIMARY] = np.mean([training(drawn) for training in trainings], 0)
    return Sample(name, values, resampled, int(clusters[-1]) + 1)


def counts(clusters: NDArray[np.intp], random: np.random.Generator) -> Floats:
    """Return (RESAMPLES, N): `bootstrap.resamples` at once, without its bar."""
    total = clusters[-1] + 1
    return random.multinomial(total, np.full(total, 1 / total), RESAMPLES)[:, clusters].astype(np.float64)


def outcomes(case: Case, count: int) -> list[Outcome]:
    """Return `count` repetitions, from seed 0 on."""
    return [repetition(case, seed) for seed in tqdm(range(count), case.name, leave=False, mininterval=1)]


def run(count: int) -> None:
    """Print, for each case, how often intervals hold the truth, and how often something is found."""
    table = Table(title=f"{count:,} repetitions: intervals that hold the truth, and findings", box=None)
    table.add_column("case", no_wrap=True)
    headings = ("ours", "patch by patch", "patches alone", "share", "p < 0.05", "p uniform (KS)", "family")
    for heading in headings:
        table.add_column(heading, justify="right")
    for case in CASES:
        table.add_row(case.name, *_summary(case, outcomes(case, count)))
    Console(width=150).print(table)


def _summary(case: Case, found: list[Outcome]) -> list[str]:
    p = np.array([outcome.p for outcome in found])
    shares = [outcome.share_inside for outcome in found if outcome.share_inside is not None]
    return [
        *(f"{np.mean([outcome[number] for outcome in found]):.1%}" for number in range(3)),
        f"{np.mean(shares):.1%} of {len(shares):,}" if shares else "–",
        f"{np.mean(p < 0.05):.1%}",
        "–" if case.gain() else f"{stats.kstest(p, 'uniform').pvalue:.2f}",
        f"{np.mean([outcome.any_rejected for outcome in found]):.1%}",
    ]

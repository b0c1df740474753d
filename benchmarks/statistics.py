"""Do the intervals of `srscene compare` hold the truth as often as they say? Made data with a known answer.

A patch's score is the sum of normal effects: of its product (shared by all variants, and one of the variant's
own), of the patch likewise, of the training, and of training and patch together. What is compared goes the
way of the real thing: the same resamples of whole products, the same code behind.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats
from tqdm import tqdm

from srscene.compare.samples import MEASURES, Sample
from srscene.compare.significance import difference_in, holm, share
from srscene.evaluate.bootstrap import BATCH

PRIMARY = MEASURES.index("macro_ap")
RESAMPLES = 400
GAIN = 0.05
"""Of the variant over the control, where one is planted; the ceiling's is twice that."""


class Case(NamedTuple):
    """How test patches and trainings vary."""

    name: str
    products: int
    patches: int
    """In a product, on average; products differ in size."""
    seeds: int
    of_product: float
    """Standard deviation of a variant's own effect of a product."""
    of_seed: float
    gain: float


CASES = (
    Case("no gain, 40 products, 3 seeds", 40, 5, 3, 0.05, 0.02, 0.0),
    Case("gain, 40 products, 3 seeds", 40, 5, 3, 0.05, 0.02, GAIN),
    Case("gain, 80 single patches, 3 seeds", 80, 1, 3, 0.0, 0.02, GAIN),
    Case("gain, 12 products, 5 seeds", 12, 20, 5, 0.05, 0.01, GAIN),
    Case("gain, 40 products, 3 seeds, all from seeds", 40, 5, 3, 0.0, 0.05, GAIN),
    Case("gain, 40 products, 2 seeds that do not vary", 40, 5, 2, 0.05, 0.0, GAIN),
)


class Outcome(NamedTuple):
    """One repetition: control, two upscalers and the ceiling compared."""

    inside: bool
    """The interval of the first upscaler's gain holds the planted one."""
    inside_naive: bool
    """The same where patches are drawn one by one."""
    inside_percentile: bool
    """The percentile interval of the first upscaler's own value holds the true one (one training that does
    not vary): what `evaluate` prints.
    """
    p: float
    any_rejected: bool
    """Of a family of four upscalers, at 5 % after Holm."""
    share_inside: bool | None
    """Fieller's interval holds the planted half; None where no share is given."""


def repetition(case: Case, seed: int) -> Outcome:
    """Make data, compare them."""
    random = np.random.default_rng(seed)
    sizes = 1 + random.poisson(case.patches - 1, case.products)
    clusters = np.repeat(np.arange(case.products), sizes)
    common = random.normal(0, 0.1, case.products)[clusters] + random.normal(0, 0.1, len(clusters))
    gains = {"control": 0.0, **{f"upscaler {number}": case.gain for number in range(4)}, "ceiling": 2 * GAIN}
    scores = {name: 0.5 + gain + _scores(case, clusters, common, random) for name, gain in gains.items()}
    whole = {name: _sample(name, values, clusters, seed) for name, values in scores.items()}
    single = np.arange(len(clusters))
    naive = [_sample(name, scores[name], single, seed) for name in ("upscaler 0", "control")]
    control, first = whole["control"], whole["upscaler 0"]
    found = difference_in(first, control, PRIMARY, 0.02)
    family = [difference_in(whole[f"upscaler {number}"], control, PRIMARY, 0.02).p for number in range(4)]
    low, high = np.quantile(first.drawn[:, PRIMARY], [0.025, 0.975])
    part = share(first, control, whole["ceiling"])
    assert found.p is not None
    return Outcome(
        _holds(found.low, found.high, case.gain),
        _holds(*_limits(difference_in(*naive, PRIMARY, 0.02)), case.gain),
        bool(low <= 0.5 + case.gain <= high),
        found.p,
        any(p is not None and p < 0.05 for p in holm(family)),
        None if part.value is None else _holds(part.low, part.high, case.gain / (2 * GAIN)),
    )


def _limits(found: object) -> tuple[float | None, float | None]:
    return found.low, found.high  # type: ignore[attr-defined]


def _holds(low: float | None, high: float | None, truth: float) -> bool:
    assert low is not None
    assert high is not None
    return low <= truth <= high


def _scores(
    case: Case, clusters: NDArray[np.intp], common: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Return (seeds, N)."""
    count = len(clusters)
    own = random.normal(0, case.of_product, case.products)[clusters] + random.normal(0, 0.05, count)
    training = random.normal(0, case.of_seed, (case.seeds, 1)) if case.of_seed else np.zeros((case.seeds, 1))
    return common + own + training + random.normal(0, 0.05, (case.seeds, count))


def _sample(name: str, scores: NDArray[np.float64], clusters: NDArray[np.intp], seed: int) -> Sample:
    """Do with a plain mean what `samples.sample` does with all measures."""
    values, drawn = (np.full((rows, len(MEASURES)), np.nan) for rows in (len(scores), RESAMPLES))
    values[:, PRIMARY] = scores.mean(1)
    counts = np.concatenate(list(_counts(clusters, seed)))
    drawn[:, PRIMARY] = (counts @ scores.mean(0)) / counts.sum(1)
    return Sample(name, values, drawn, int(clusters.max()) + 1)


def _counts(clusters: NDArray[np.intp], seed: int) -> Iterator[NDArray[np.float64]]:
    """`bootstrap.resamples` without its bar."""
    random = np.random.default_rng(seed)
    total = int(clusters.max()) + 1
    for _ in range(0, RESAMPLES, BATCH):
        draws = [random.integers(total, size=total) for _ in range(BATCH)]
        yield np.stack([np.bincount(draw, minlength=total) for draw in draws])[:, clusters].astype(float)


def outcomes(case: Case, count: int) -> list[Outcome]:
    """Return `count` repetitions, from seed 0 on."""
    return [repetition(case, seed) for seed in tqdm(range(count), desc=case.name, leave=False)]


def run(count: int) -> None:
    """Print, for each case, how often intervals hold the truth, and how often something false is found."""
    table = Table(title=f"{count:,} repetitions: share of intervals that hold the truth, of false findings")
    table.add_column("case")
    for heading in ("ours", "patch by patch", "percentile", "share", "p < 0.05", "p uniform (KS)", "family"):
        table.add_column(heading, justify="right")
    for case in CASES:
        found = outcomes(case, count)
        shares = [outcome.share_inside for outcome in found if outcome.share_inside is not None]
        p = [outcome.p for outcome in found]
        table.add_row(
            case.name,
            *(f"{np.mean([outcome[number] for outcome in found]):.3f}" for number in range(3)),
            f"{np.mean(shares):.3f}" if shares else "–",
            f"{np.mean(np.array(p) < 0.05):.3f}",
            f"{stats.kstest(p, 'uniform').pvalue:.2f}" if not case.gain else "–",
            f"{np.mean([outcome.any_rejected for outcome in found]):.3f}",
        )
    Console(width=130).print(table)

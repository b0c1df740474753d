"""Damages inputs of every kind, thousands of times, and counts what became of them.

And measures the memory that files take which promise to be huge.
"""

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from dev.robustness.judge import Tally, Verdict
from dev.robustness.memory import Taken, measured
from dev.robustness.targets import TARGETS

SEED = 0


def run(count: int) -> None:
    """Make `count` attempts, spread over the targets; print what is wrong, then the tables."""
    each = max(1, count // len(TARGETS))
    tallies = []
    bar: tqdm[None]
    with tqdm(total=each * len(TARGETS), unit="attempt", smoothing=0.1) as bar:
        for target in TARGETS:
            bar.set_description(target)
            tallies.append(_attacked(target, each, bar))
    for tally in tallies:
        for line in tally.wrong:
            print(line)
    Console().print(_table(tallies))
    with TemporaryDirectory() as folder:
        Console().print(_memory_table(measured(Path(folder))))


def _attacked(target: str, count: int, bar: "tqdm[None]") -> Tally:
    tally = Tally(target)
    with TemporaryDirectory() as folder:
        for attempt in islice(TARGETS[target](Path(folder), SEED), count):
            tally.add(attempt)
            bar.update()
    return tally


def _table(tallies: list[Tally]) -> Table:
    table = Table(title="what became of damaged inputs")
    table.add_column("target", no_wrap=True)
    for heading in ("tried", *Verdict):
        table.add_column(heading, justify="right")
    total = Tally("all")
    for tally in tallies:
        total.verdicts.update(tally.verdicts)
    for tally in [*tallies, total]:
        counts = [tally.verdicts.total(), *(tally.verdicts[verdict] for verdict in Verdict)]
        table.add_row(tally.target, *(f"{count:,}" for count in counts))
    return table


def _memory_table(found: list[Taken]) -> Table:
    table = Table(title="memory that huge promises take, above that of a good file")
    table.add_column("file", no_wrap=True)
    for heading in ("bytes", "MiB", "seconds", "refused by name"):
        table.add_column(heading, justify="right")
    for taken in found:
        refused = "yes" if taken.named else "no"
        numbers = (f"{taken.file_bytes:,}", f"{max(0, taken.above_normal):.0f}", f"{taken.seconds:.1f}")
        table.add_row(taken.what, *numbers, refused)
    return table

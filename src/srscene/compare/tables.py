"""The paper's Tables 1 and 2 of our results, beside the paper's own numbers.

A value is the mean over seeds. The best of a column is bold by the rule that the paper states,
classifier-wise in Table 1, label-wise in Table 2: by the digits that are shown, so that equals are all bold;
the truth, which is no upscaler, never is. The paper's numbers are marked by that rule too: its text, as we
have it, has lost its marks. A hole stays a hole.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from statistics import mean, stdev
from typing import Any

from srscene.compare.cell import Cell, rank
from srscene.core.classes import CLASSES, short_label
from srscene.evaluate.metrics import METRICS
from srscene.sr.shown import order_of, shown

TITLES = {
    "resnet18": "ResNet-18", "resnet34": "ResNet-34", "resnet50": "ResNet-50", "resnet101": "ResNet-101",
    "resnet152": "ResNet-152", "inception_v4": "Inception-v4", "acc": "ACC", "hamming_loss": "HL",
    "one_error": "OE", "precision": "P", "recall": "R", "f1": "F1", "f2_macro": "macro F2",
    "macro_ap": "macro AP", "micro_ap": "micro AP",
}  # fmt: skip
"""How the paper and we print a backbone's or a metric's name."""
COLUMNS = (
    "acc",
    "hamming_loss",
    "one_error",
    "precision",
    "recall",
    "f1",
    "f2_macro",
    "macro_ap",
    "micro_ap",
)
"""The paper's order, and behind it what it has not."""
PAPERS_BACKBONE = "resnet152"
"""Of its Table 2."""


@dataclass(frozen=True)
class Entry:
    """A number of a table: the mean of n seeds and its standard deviation (from two seeds on)."""

    value: float | None
    sd: float | None = None
    n: int = 0
    best: bool = False


@dataclass(frozen=True)
class Row:
    """What it is of, and whether the numbers are ours or the paper's."""

    keys: tuple[str, ...]
    source: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Table:
    name: str
    caption: str
    key_names: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def title(name: str) -> str:
    """Return how an upscaler's, a backbone's or a metric's name is printed."""
    return TITLES.get(name) or shown(name).title


def printed(value: float | None) -> str:
    """Return a number as the paper prints it: three digits, four where three would be zeros."""
    if value is None:
        return "–"
    text = f"{value:.3f}"
    return f"{value:.4f}" if value and not float(text) else text


def table1(cells: Iterable[Cell]) -> Table:
    """Return every metric of each upscaler × backbone."""
    found = _grouped(cells, lambda cell: (cell.sr, cell.backbone))
    ours = {
        keys: [_entry([cell.metrics.get(metric) for cell in group]) for metric in COLUMNS]
        for keys, group in found.items()
    }
    paper = {
        (row["sr"], row["backbone"]): [Entry(float(row[name]) if name in row else None) for name in COLUMNS]
        for row in paper_rows("table1")
    }
    better = {metric.name: metric.better for metric in METRICS}
    marked = [
        _marked(group, [max if better[name] == "higher" else min for name in COLUMNS], lambda keys: keys[1])
        for group in (ours, paper)
    ]
    caption = (
        f"Sample accuracy, Hamming loss, one-error, precision, recall, F1, macro F2 and average precision, "
        f"{_seeds(found.values())}. Bold: best classifier-wise by the digits shown, the truth apart; paper: "
        f"the numbers of its Table 1, marked by the same rule."
    )
    order = sorted(
        ours.keys() | {keys for keys in paper if keys[1] in {backbone for _, backbone in ours}},
        key=lambda keys: (rank(keys[1]), order_of(keys[0])),
    )
    rows = [
        Row(keys, source, tuple(group.get(keys, [Entry(None)] * len(COLUMNS))))
        for keys in order
        for source, group in zip(("ours", "paper"), marked, strict=True)
        if source == "ours" or keys in group
    ]
    return Table("table1", caption, ("sr", "backbone"), COLUMNS, tuple(rows))


def table2(cells: Iterable[Cell], backbone: str) -> Table:
    """Return F2 of each class and its mean by upscaler, of one backbone; the paper's is of ResNet-152."""
    found = _grouped([cell for cell in cells if cell.backbone == backbone], lambda cell: cell.sr)
    paper = {
        label: {sr: float(row[sr]) for sr in row if sr != "label"}
        for label, row in zip([*LABELS, AVERAGE], paper_rows("table2"), strict=True)
    }
    upscalers = sorted({*found, *paper[AVERAGE]}, key=order_of)
    rows = []
    for label in [*LABELS, AVERAGE]:
        ours = {sr: _entry([_f2(cell, label) for cell in found.get(sr, [])]) for sr in upscalers}
        theirs = {sr: Entry(paper[label].get(sr)) for sr in upscalers}
        for source, entries in (("ours", ours), ("paper", theirs)):
            best = _marked({sr: [entry] for sr, entry in entries.items()}, [max], lambda _: "")
            rows.append(Row((label,), source, tuple(best[sr][0] for sr in upscalers)))
    caption = (
        f"F2 of the 19 classes, {title(backbone)}, {_seeds(found.values())}. Bold: best label-wise by the "
        f"digits shown, the truth apart; paper: the numbers of its Table 2, {title(PAPERS_BACKBONE)}, marked "
        f"by the same rule."
    )
    return Table("table2", caption, ("label",), tuple(upscalers), tuple(rows))


LABELS = tuple(map(short_label, CLASSES))
AVERAGE = "Average"


def _f2(cell: Cell, label: str) -> float | None:
    return cell.metrics.get("f2_macro") if label == AVERAGE else cell.classes.get(label)


@cache
def paper_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of the paper's Table, as they were published."""
    text = (files("srscene.compare") / f"paper/{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _grouped(cells: Iterable[Cell], key: Callable[[Cell], Any]) -> dict[Any, list[Cell]]:
    groups: defaultdict[Any, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[key(cell)].append(cell)
    return dict(groups)


def _entry(values: Sequence[float | None]) -> Entry:
    """Return the mean of all seeds; one that is undefined makes a hole."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return Entry(None, n=len(values))
    return Entry(mean(known), stdev(known) if len(known) > 1 else None, len(known))


def _marked(
    group: dict[Any, list[Entry]], best: Sequence[Callable[..., str]], part: Callable[[Any], Any]
) -> dict[Any, list[Entry]]:
    """Return `group` with the best entries of each column marked, apart for each `part` of the keys."""
    marked = {keys: list(entries) for keys, entries in group.items()}
    for column, pick in enumerate(best):
        for one in {part(keys) for keys in group}:
            rivals = {
                keys: float(printed(entries[column].value))
                for keys, entries in group.items()
                if part(keys) == one
                and entries[column].value is not None
                and shown(keys if isinstance(keys, str) else keys[0]).role != "ceiling"
            }
            if rivals:
                top = pick(rivals.values())
                nobody = pick is max and not float(top)  # all at 0: none is best
                for keys, value in rivals.items():
                    marked[keys][column] = replace(group[keys][column], best=value == top and not nobody)
    return marked


def _seeds(groups: Iterable[Sequence[Cell]]) -> str:
    counts = sorted({len(group) for group in groups})
    if not counts:
        return "no seed yet"
    if counts == [1]:
        return "one seed"
    return f"mean ± sd over {'–'.join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))} seeds"

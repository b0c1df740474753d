"""How differences are shown: for a terminal, as Markdown, and as CSV with all digits."""

import csv
import io
from collections.abc import Iterable, Sequence

from rich import box
from rich import table as rich

from srscene.compare import answer
from srscene.compare.answer import Contrast, Families, Finding
from srscene.compare.significance import LEVEL, PRIMARY, Difference
from srscene.compare.tables import title

DECLARED = (
    "Declared family: each upscaler against bicubic enlargement on each backbone, by macro AP; p after Holm. "
    "All else is exploratory."
)
UNDECLARED = "Exploratory: {what}; p after Holm within this table."
HEADINGS = ("difference", f"{LEVEL * 100:g} % interval", "p", "p, Holm", "effect", "detectable", "verdict")


def tables(found: Families) -> list[tuple[str, list[list[str]]]]:
    """Return caption and rows of each family in the primary metric that has any."""
    shown = [(DECLARED, rows(found.declared))] if found.declared else []
    if found.undeclared:
        caption = UNDECLARED.format(what=answer.undeclared(found.undeclared))
        shown.append((caption, rows(found.undeclared)))
    return shown


def rows(findings: Sequence[Finding]) -> list[list[str]]:
    """Return what HEADINGS say of each finding, behind its upscaler and backbone."""
    return [
        [title(found.contrast.sr), title(found.contrast.backbone), *_numbers(found)] for found in findings
    ]


def _numbers(finding: Finding) -> list[str]:
    found, interval = finding.difference, "–"
    if found.low is not None and found.high is not None:
        interval = f"{found.low:+.3f} to {found.high:+.3f}"
    return [
        _signed(found.difference),
        interval,
        answer.probability(found.p),
        answer.probability(finding.p),
        "–" if found.effect is None else f"{found.effect:+.2f}",
        "–" if finding.detectable is None else f"{finding.detectable:.3f}",
        finding.verdict,
    ]


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def terminal(
    caption: str, keys: Sequence[str], lines: Sequence[Sequence[str]], headings: Sequence[str]
) -> rich.Table:
    """Return a table for rich's console."""
    shown = rich.Table(title=caption, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in keys:
        shown.add_column(name)
    for name in headings:
        shown.add_column(name, justify="right")
    for line in lines:
        shown.add_row(*line)
    return shown


def markdown(
    caption: str, keys: Sequence[str], lines: Sequence[Sequence[str]], headings: Sequence[str]
) -> str:
    """Return the same as Markdown."""
    head = [
        f"*{caption}*",
        "",
        f"| {' | '.join([*keys, *headings])} |",
        f"|{'---|' * len(keys)}{'--:|' * len(headings)}",
    ]
    return "\n".join([*head, *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def of_pair(differences: Sequence[Difference]) -> list[Finding]:
    """Return all differences between two variants as one family."""
    return answer.adjusted((Contrast(found.a, found.b, "", [found]), found) for found in differences)


def pair_rows(findings: Sequence[Finding]) -> list[list[str]]:
    """Return what HEADINGS say of each measure of one pair, behind its name."""
    return [[title(finding.difference.measure), *_numbers(finding)] for finding in findings]


def caption(differences: Sequence[Difference]) -> str:
    """Return what two variants and their test set are."""
    found = next(found for found in differences if found.measure == PRIMARY)
    seeds = " and ".join(f"{count} seed{'' if count == 1 else 's'}" for count in found.seeds)
    text = f"{found.a} less {found.b}: {seeds}; {found.products} Sentinel-2 products"
    if not found.any_training:
        text += "; fewer than 3 seeds, so that nothing is claimed about another training"
    return (
        f"{text}. Equivalent, in macro AP alone: within ±{found.margin:g}. p after Holm within this table, "
        "which is exploratory."
    )


OF_DIFFERENCE = (
    "value_a", "value_b", "difference", "low", "high", "p", "p_equivalent", "margin", "effect",
    "error_patches", "error_seeds", "products",
)  # fmt: skip


def families_csv(found: Families) -> str:
    """Return a line for each contrast and measure, with all digits."""
    parts = [*found[:3], [finding for of_one in found.classes for finding in of_one]]
    return csv_text(zip(Families._fields, parts, strict=True))


def csv_text(parts: Iterable[tuple[str, Sequence[Finding]]]) -> str:
    """Return a line for each finding of families, which have names."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    after_holm = ("p_holm", "p_equivalent_holm", "detectable", "verdict")
    keys = ("family", "sr", "control", "backbone", "measure")
    writer.writerow([*keys, *OF_DIFFERENCE, "seeds_a", "seeds_b", *after_holm])
    for family, findings in parts:
        for finding in findings:
            contrast, found, *adjusted = finding
            key = [family, contrast.sr, contrast.control, contrast.backbone, found.measure]
            values = [getattr(found, name) for name in OF_DIFFERENCE]  # csv leaves None empty
            writer.writerow([*key, *values, *found.seeds, *adjusted, finding.verdict])
    return out.getvalue()

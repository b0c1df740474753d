"""How differences are shown: for a terminal, as Markdown, and as CSV with all digits."""

import csv
import io
from collections.abc import Sequence

from rich import box
from rich import table as rich

from srscene.compare import answer
from srscene.compare.answer import Contrast, Finding
from srscene.compare.significance import LEVEL, Difference, holm
from srscene.compare.tables import title

FAMILY = (
    "Declared family: each upscaler against {control} on each backbone in macro AP; p after Holm. All else "
    "is exploratory."
)
HEADINGS = ("difference", f"{LEVEL * 100:g} % interval", "p", "p, Holm", "effect", "detectable", "verdict")


def rows(findings: Sequence[Finding]) -> list[list[str]]:
    """Return what HEADINGS say of each finding, behind its upscaler and backbone."""
    return [
        [
            title(found.contrast.sr),
            title(found.contrast.backbone),
            *_numbers(found.difference, found.p),
            found.verdict,
        ]
        for found in findings
    ]


def _numbers(found: Difference, adjusted: float | None) -> list[str]:
    interval = "–"
    if found.low is not None and found.high is not None:
        interval = f"{found.low:+.3f} to {found.high:+.3f}"
    return [
        _signed(found.difference),
        interval,
        _p(found.p),
        _p(adjusted),
        "–" if found.effect is None else f"{found.effect:+.2f}",
        "–" if found.detectable is None else f"{found.detectable:.3f}",
    ]


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


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


def of_pair(differences: Sequence[Difference]) -> list[list[str]]:
    """Return a line for each measure of one pair; Holm within this table."""
    adjusted = holm([found.p for found in differences])
    return [
        [title(found.measure), *_numbers(found, p), _verdict(found, p)]
        for found, p in zip(differences, adjusted, strict=True)
    ]


def _verdict(found: Difference, p: float | None) -> str:
    contrast = Contrast(found.a, found.b, "", [found])
    return Finding(contrast, found, p, found.p_equivalent).verdict


def caption(found: Difference) -> str:
    """Return what two variants and their test set are."""
    seeds = " and ".join(f"{count} seed{'' if count == 1 else 's'}" for count in found.seeds)
    text = f"{found.a} less {found.b}: {seeds}; {found.products} Sentinel-2 products"
    if not found.any_training:
        text += "; fewer than 3 seeds, so that nothing is claimed about another training"
    return (
        text
        + f". Equivalent: within ±{found.margin:g}. p after Holm within this table, which is exploratory."
    )


def csv_text(contrasts: Sequence[Contrast]) -> str:
    """Return a line for each contrast and measure, with all digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = (
        "value_a", "value_b", "difference", "low", "high", "p", "p_equivalent", "margin", "effect",
        "detectable", "error_patches", "error_seeds", "products",
    )  # fmt: skip
    writer.writerow(["sr", "control", "backbone", "measure", *names, "seeds_a", "seeds_b", "declared"])
    for contrast in contrasts:
        for found in contrast.differences:
            values = ["" if (value := getattr(found, name)) is None else value for name in names]
            declared = int(answer.is_primary(contrast, found))
            key = [contrast.sr, contrast.control, contrast.backbone, found.measure]
            writer.writerow([*key, *values, *found.seeds, declared])
    return out.getvalue()

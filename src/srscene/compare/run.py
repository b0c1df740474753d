"""What `srscene compare` prints and writes."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from srscene.compare import answer, cell, collect, contrasts, differences, formats, tables
from srscene.compare.answer import Contrast
from srscene.compare.cell import BACKBONES, Cell, rank
from srscene.core.console import BadInput, say
from srscene.core.outputs import whole_file

WIDTH = 118
"""Columns of a table where the terminal's width is not known."""


def cells_of(folder: Path | None, names: Sequence[str]) -> list[Cell]:
    """Return the results in a folder, or those of experiments."""
    return collect.from_folder(folder) if folder else collect.from_experiments(names)


def tell(cells: Sequence[Cell], backbone: str | None, out: Path | None) -> list[tables.Table]:
    """Print Tables 1 and 2; write them and the cells into `out`."""
    shown = [tables.table1(cells), tables.table2(cells, chosen_backbone(cells, backbone))]
    console = _console()
    for table in shown:
        console.print(formats.terminal(table))
    if out:
        for table in shown:
            for ending, write in formats.WRITERS.items():
                _write(out / f"{table.name}.{ending}", write(table))
        cell.write(cells, out / "cells")
        say(f"compare: {out}: Tables 1 and 2 as .md, .tex, .html and .csv; cells/: {len(cells)} results")
    return shown


def chosen_backbone(cells: Sequence[Cell], backbone: str | None) -> str:
    """Return the backbone of Table 2: the given one, else the paper's where it is there, else the first."""
    there = sorted({cell.backbone for cell in cells}, key=lambda name: rank(name, BACKBONES))
    if backbone and backbone not in there:
        raise BadInput(f"no result with backbone: {backbone}; there are {', '.join(there)}")
    return backbone or (tables.PAPERS_BACKBONE if tables.PAPERS_BACKBONE in there else there[0])


def tell_contrasts(
    cells: Sequence[Cell], control: str, margin: float, resamples: int, out: Path | None
) -> list[Contrast]:
    """Print every upscaler against `control` in the primary measure, in words too; write all measures."""
    found = contrasts.contrasts(cells, control, resamples, margin=margin)
    family = answer.primary(found)
    others = [
        (contrast, item)
        for contrast in found
        for item in contrast.differences
        if item.measure == answer.PRIMARY and not answer.is_primary(contrast, item)
    ]
    keys = ("upscaler", "backbone")
    console, written = _console(), []
    for caption, findings in (
        (differences.FAMILY.format(control=control), family),
        (
            f"Exploratory: floor, ceiling and other controls against {control} in macro AP.",
            answer.adjusted(others),
        ),
    ):
        if findings:
            lines = differences.rows(findings)
            console.print(differences.terminal(caption, keys, lines, differences.HEADINGS))
            written.append(differences.markdown(caption, keys, lines, differences.HEADINGS))
    sentences = [answer.answer(family, synthetic(cells)), *answer.shares(family)]
    for sentence in sentences:
        say(sentence)
    if out:
        _write(out / "contrasts.md", "\n".join([*sentences, "", *written]))
        _write(out / "contrasts.csv", differences.csv_text(found))
        say(f"compare: {out}/contrasts.md, and contrasts.csv with every metric and class")
    return found


def tell_pair(cells: Sequence[Cell], a: str, b: str, margin: float, resamples: int) -> None:
    """Print the differences between two variants in every metric and class."""
    groups = [contrasts.matching(cells, name) for name in (a, b)]
    found = contrasts.pair(groups[0], groups[1], resamples, margin=margin)
    lines = differences.of_pair(found)
    caption = differences.caption(found[0])
    _console().print(differences.terminal(caption, ("",), lines, differences.HEADINGS))


def synthetic(cells: Sequence[Cell]) -> bool:
    """Whether the patches are procedural: said wherever results are."""
    return any(cell.provenance.get("dataset") == "synthetic" for cell in cells)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""What `srscene compare` prints and writes."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from srscene.compare import answer, cell, contrasts, differences, formats, tables
from srscene.compare.answer import Contrast, Families
from srscene.compare.cell import BACKBONES, Cell, rank
from srscene.runtime.console import BadInput, say
from srscene.runtime.files import whole_file

WIDTH = 118
"""Columns of a table where the terminal's width is not known."""


def tell(cells: Sequence[Cell], backbone: str | None, out: Path | None) -> None:
    """Print Tables 1 and 2; write them and the cells into `out`."""
    shown = [tables.table1(cells), tables.table2(cells, chosen_backbone(cells, backbone))]
    console = _console()
    for table in shown:
        console.print(formats.terminal(table))
    if mixed := cell.mixed_threads(cells):
        say(f"compare: {mixed}")
    if out:
        for table in shown:
            for ending, write in formats.WRITERS.items():
                _write(out / f"{table.name}.{ending}", write(table))
        cell.write(cells, out / "cells")
        say(f"compare: {out}: Tables 1 and 2 as .md, .tex, .html and .csv; cells/: {len(cells)} results")


def chosen_backbone(cells: Sequence[Cell], backbone: str | None) -> str:
    """Return the backbone of Table 2: the given one, else the paper's where it is there, else the first."""
    there = sorted({cell.backbone for cell in cells}, key=lambda name: rank(name, BACKBONES))
    if backbone and backbone not in there:
        raise BadInput(f"no result with backbone: {backbone}; there are {', '.join(there)}")
    return backbone or (tables.PAPERS_BACKBONE if tables.PAPERS_BACKBONE in there else there[0])


def check_options(
    results: Path | None, variants: Sequence[str], control: str | None, backbone: str | None
) -> None:
    """Raise BadInput for options of `srscene compare` that do not go together."""
    if variants and len(variants) != 2:
        raise BadInput(f"compare: {len(variants)} variants, expected two, or none for the tables")
    if variants and (control or backbone):
        raise BadInput("compare: --contrast and --backbone are for all variants; leave them out with two")
    if results and (variants or control):
        raise BadInput(
            f"compare: {results}: a folder of results has no predictions, which differences need; leave out "
            "--from where DVC has the experiments (`dvc exp pull` brings them)"
        )


def tell_contrasts(
    cells: Sequence[Cell], control: str, margin: float, resamples: int, out: Path | None
) -> None:
    """Print every upscaler against `control` in the primary measure, in words too; write all measures."""
    found = contrasts.contrasts(cells, control, resamples, margin=margin)
    show_contrasts(answer.families(found), synthetic(cells), out)


def show_contrasts(found: Families, synthetic: bool, out: Path | None) -> None:
    """Print and write what was found."""
    keys = ("upscaler", "backbone")
    console, written = _console(), []
    for caption, lines in differences.tables(found):
        console.print(differences.terminal(caption, keys, lines, differences.HEADINGS))
        written.append(differences.markdown(caption, keys, lines, differences.HEADINGS))
    asked = answer.asked(found)
    sentences = [answer.answer(asked, synthetic), *answer.shares(asked)]
    for sentence in sentences:
        say(sentence)
    if out:
        _write(out / "contrasts.md", "\n".join([*sentences, "", *written]))
        _write(out / "contrasts.csv", differences.families_csv(found))
        say(f"compare: {out}/contrasts.md, and contrasts.csv with every metric and class")


def contrasts_for_page(
    cells: Sequence[Cell], control: str, margin: float, resamples: int
) -> tuple[list[Contrast], str]:
    """Return every upscaler against `control`, or nothing where a page can do without, and why then."""
    why = ""
    if any(cell.predictions is None for cell in cells):
        why = "a folder of results has no predictions; without --from they come out of DVC's cache"
    elif control == answer.CONTROL and control not in {cell.sr for cell in cells}:
        why = f"there is no result with sr: {control}; `srscene sweep --sr {control}` makes it"
    if why:
        say(f"report: the page has no contrasts: {why}")
        return [], why
    return contrasts.contrasts(cells, control, resamples, margin=margin), answer.NO_UPSCALER


def tell_pair(cells: Sequence[Cell], a: str, b: str, margin: float, resamples: int, out: Path | None) -> None:
    """Print the differences between two variants in every metric and class; write them into `out`."""
    groups = [contrasts.matching(cells, name) for name in (a, b)]
    found = contrasts.pair(groups[0], groups[1], resamples, margin=margin)
    caption, findings = differences.caption(found), differences.of_pair(found)
    shown = caption, ("",), differences.pair_rows(findings), differences.HEADINGS
    _console().print(differences.terminal(*shown))
    if out:
        _write(out / "pair.md", differences.markdown(*shown))
        _write(out / "pair.csv", differences.csv_text([("pair", findings)]))
        say(f"compare: {out}/pair.md, and pair.csv with all digits")


def synthetic(cells: Sequence[Cell]) -> bool:
    """Whether the patches are procedural: said wherever results are."""
    return any(cell.provenance.get("dataset") == "synthetic" for cell in cells)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

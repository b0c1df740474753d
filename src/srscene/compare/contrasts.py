"""Every upscaler against a control on each backbone, or two variants against each other, from results."""

from collections.abc import Iterable, Sequence

from srscene.compare import samples
from srscene.compare.answer import CONTROL, Contrast
from srscene.compare.cell import Cell
from srscene.compare.samples import Runs, Sample
from srscene.compare.significance import MARGIN, Difference, Share, contrast, share
from srscene.runtime.console import BadInput, progress
from srscene.sr.shown import shown

RESAMPLES = 1000
Variant = tuple[str, str]
"""Upscaler and backbone."""


def contrasts(
    cells: Sequence[Cell],
    control: str = CONTROL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    margin: float = MARGIN,
) -> list[Contrast]:
    """Return every upscaler of `cells` against `control` on the same backbone, all on the same resamples.

    Raises BadInput where there is no such control, or the test sets differ.
    """
    if control not in {cell.sr for cell in cells}:
        raise BadInput(
            f"no result with sr: {control} to compare with; `srscene sweep --sr {control}` makes it"
        )
    drawn = _drawn(cells, resamples, seed)
    return [
        Contrast(
            sr,
            control,
            backbone,
            contrast(drawn[sr, backbone], drawn[control, backbone], margin),
            _share(drawn, sr, control, backbone),
        )
        for sr, backbone in drawn
        if sr != control and (control, backbone) in drawn
    ]


def pair(
    a: Sequence[Cell],
    b: Sequence[Cell],
    resamples: int = RESAMPLES,
    seed: int = 0,
    margin: float = MARGIN,
) -> list[Difference]:
    """Return the differences between two variants, or two single trainings."""
    first, second = (samples.read(name_of(cells), cells) for cells in (a, b))
    drawn = [samples.sample(runs, resamples, seed) for runs in (first, samples.align(second, first))]
    return contrast(drawn[0], drawn[1], margin)


def name_of(cells: Sequence[Cell]) -> str:
    """Return the name of a cell, or of what several seeds have in common."""
    return cells[0].name if len(cells) == 1 else f"{cells[0].sr}-{cells[0].backbone}"


def matching(cells: Iterable[Cell], name: str) -> list[Cell]:
    """Return the cell of this name, or all seeds of `<sr>-<backbone>`; BadInput where there is none."""
    cells = list(cells)
    found = [cell for cell in cells if name in (cell.name, f"{cell.sr}-{cell.backbone}")]
    if not found:
        known = dict.fromkeys(f"{cell.sr}-{cell.backbone}" for cell in cells)
        raise BadInput(f"{name!r}: no such result; there are {', '.join(known)}, and each with its -s<seed>")
    return found


def _drawn(cells: Sequence[Cell], resamples: int, seed: int) -> dict[Variant, Sample]:
    """Return the sample of each variant, all on the same patches in the same order."""
    groups: dict[Variant, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.sr, cell.backbone), []).append(cell)
    first: Runs | None = None
    drawn: dict[Variant, Sample] = {}
    for variant, group in progress(groups.items(), "compare", "variant", len(groups)):
        runs = samples.read("-".join(variant), group)
        first = first or runs
        drawn[variant] = samples.sample(samples.align(runs, first), resamples, seed)
    return drawn


def _share(drawn: dict[Variant, Sample], sr: str, control: str, backbone: str) -> Share | None:
    """Return which part of the way to the truth an upscaler goes, where there is a truth."""
    ceiling = next((of for of in drawn if of[1] == backbone and shown(of[0]).role == "ceiling"), None)
    if ceiling is None or ceiling[0] in (sr, control):
        return None
    return share(drawn[sr, backbone], drawn[control, backbone], drawn[ceiling])

"""What `srscene report` puts on its page, and the figures that it writes beside it."""

from collections.abc import Sequence
from pathlib import Path

from srscene.compare import formats, tables
from srscene.compare.answer import Contrast
from srscene.compare.cell import Cell
from srscene.compare.tables import title
from srscene.page import figures, pictures
from srscene.page.write import Figure, Page, PatchPictures
from srscene.runtime.console import BadInput, say
from srscene.runtime.machine import Machine

PATCHES = 6
"""On the page; the first ROWS of them in Figure 2."""
ROWS = 4


def page(
    cells: Sequence[Cell], found: Sequence[Contrast], backbone: str, machine: Machine, out: Path
) -> Page:
    """Return the page of `cells`; figures go to `out` as PNG and PDF.

    Without the upscaled patches, which DVC's cache has where the cells ran, the page goes without pictures,
    and a line says so.
    """
    shown, pictured = _pictures(cells, machine, out)
    made = [tables.table1(cells), tables.table2(cells, backbone)]
    return Page(
        dataset=cells[0].provenance.get("dataset", ""),
        cells=cells,
        contrasts=found,
        tables=[(f"Table {number}", formats.html(table)) for number, table in enumerate(made, 1)],
        patches=shown,
        figures=_gains(found, out) + _fidelity(cells, found, out) + pictured,
    )


def _pictures(cells: Sequence[Cell], machine: Machine, out: Path) -> tuple[list[PatchPictures], list[Figure]]:
    """Return patches under every upscaler, and the paper's Figures 2 and 3 of them."""
    shown: list[PatchPictures] = []
    drawn: list[Figure] = []
    if not any(pictures.UPSCALED in cell.outs for cell in cells):
        say("report: no patches to show: DVC's cache has them where the cells ran")
        return shown, drawn
    try:
        with pictures.opened(cells) as (patches, stores):
            indices = pictures.chosen(patches, PATCHES)
            shown = pictures.side_by_side(patches, stores, indices, cells)
            figures.side_by_side({patch.name: patch.pictures for patch in shown[:ROWS]}, out / "figure2")
            drawn.append(_figure(out, "figure2", "The same patches under every upscaler", _names(shown)))
            label, seen = pictures.seen(stores, indices[0], cells, machine)
            figures.attention(seen, f"{label} in {shown[0].name}", out / "figure3")
            said = ", ".join(
                f"{title(sr)} on {title(on)} {100 * s.coverage:.0f} %" for (sr, on), s in seen.items()
            )
            words = f"Grad-CAM of {label} in one patch; share of it above half of the maximum: {said}."
            drawn.append(_figure(out, "figure3", f"Where classifiers look for {label}", words))
    except BadInput as error:
        say(f"report: not all patches can be shown: {error}")
    return shown, drawn


def _names(shown: Sequence[PatchPictures]) -> str:
    upscalers = ", ".join(title(sr) for sr in shown[0].pictures)
    return f"{min(len(shown), ROWS)} test patches, whole and zoomed, each under {upscalers}."


def _gains(found: Sequence[Contrast], out: Path) -> list[Figure]:
    """Draw each class's gain in average precision, a figure a backbone."""
    drawn = []
    for backbone in dict.fromkeys(contrast.backbone for contrast in found):
        of_backbone = [contrast for contrast in found if contrast.backbone == backbone]
        control, name = of_backbone[0].control, f"gain-{backbone}"
        figures.gain_per_class(
            {contrast.sr: contrast.differences for contrast in of_backbone},
            "ap", control, title(backbone), out / name,
        )  # fmt: skip
        drawn.append(
            _figure(out, name, f"Gain of each class, {title(backbone)}", "Dots with intervals by class.")
        )
    return drawn


def _fidelity(cells: Sequence[Cell], found: Sequence[Contrast], out: Path) -> list[Figure]:
    if not found or not any(cell.fidelity for cell in cells):
        return []
    figures.fidelity_against_utility(cells, found[0].control, out / "fidelity")
    words = "Fidelity of each upscaler against its gain in average precision."
    return [_figure(out, "fidelity", "Does a prettier picture help?", words)]


def _figure(out: Path, name: str, heading: str, alt: str) -> Figure:
    return Figure(heading, alt, (out / f"{name}.png").read_bytes())

"""One experiment's results, and how they are kept as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter

from srscene.core.tables import write_json
from srscene.runtime.console import BadInput
from srscene.runtime.names import foreign
from srscene.runtime.reading import read_bytes, reading
from srscene.sr.shown import order_of

BACKBONES = ("resnet50", "resnet101", "resnet152", "inception_v4")
LARGEST = 1_000_000
"""Bytes of a cell's file."""


@dataclass(frozen=True)
class Cell:
    """What an upscaler, a backbone and a seed gave."""

    name: str
    sr: str
    backbone: str
    seed: int
    metrics: dict[str, FiniteFloat | None]
    """metrics/test.json: by the names of METRICS, and n, products, threshold."""
    classes: dict[str, FiniteFloat]
    """metrics/classes.json: F2 by short label."""
    fidelity: dict[str, Any] = field(default_factory=dict)
    """metrics/upscaling.json."""
    coverage: dict[str, Any] = field(default_factory=dict)
    """metrics/explain.json."""
    provenance: dict[str, str] = field(default_factory=dict)
    """Experiment, commit, hashes of params and outputs, device, a CPU's threads."""
    setting: dict[str, Any] = field(default_factory=dict)
    """The parameters that decide the result, besides upscaler, backbone and seed."""
    predictions: Path | None = None
    """data/predictions.h5 where DVC keeps it; not in the file."""
    outs: dict[str, Path] = field(default_factory=dict)
    """Path in the pipeline -> where DVC's cache keeps it, or a folder's list of files; not in the file."""


def order(cells: Iterable[Cell]) -> list[Cell]:
    """Return cells by upscaler and backbone, in the paper's order, others behind by name; then by seed."""
    return sorted(cells, key=lambda cell: (order_of(cell.sr), rank(cell.backbone), cell.seed))


def rank(backbone: str) -> tuple[int, str]:
    """Return what sorts a backbone to its place in BACKBONES, else behind them, by name."""
    known = backbone in BACKBONES
    return (BACKBONES.index(backbone), "") if known else (len(BACKBONES), backbone)


def mixed_threads(cells: Iterable[Cell]) -> str:
    """Return what to say where trainings on a CPU had different numbers of threads; else nothing."""
    found = {cell.provenance["threads"] for cell in cells if "threads" in cell.provenance}
    if len(found) < 2:
        return ""
    counts = ", ".join(sorted(found, key=lambda count: (len(count), count)))
    return f"numbers of threads are mixed ({counts}): a CPU rounds otherwise with each, as if seeds differed"


def write(cells: Iterable[Cell], folder: Path) -> None:
    """Write `<name>.json` for each cell."""
    for cell in cells:
        values = asdict(cell)
        del values["predictions"], values["outs"]
        write_json(folder / f"{cell.name}.json", values)


def read(folder: Path) -> list[Cell]:
    """Return what `write` left in `folder`, in order; raises BadInput for a damaged or repeated cell."""
    cells: dict[str, Cell] = {}
    for file in sorted(file for file in folder.glob("*.json") if not foreign(file.name)):
        with reading(file, "an experiment's results", "write it again with `srscene compare -o`"):
            cell = TypeAdapter(Cell).validate_json(read_bytes(file, LARGEST))
        if cell.name in cells:
            raise BadInput(f"{file}: {cell.name} is in another file too and would count twice; remove one")
        cells[cell.name] = cell
    return order(cells.values())


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return parameters by their names in params.yaml, sections and all: `classifier.epochs`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found

"""What cells took here: a line of CSV each."""

import csv
from pathlib import Path
from typing import NamedTuple

FILE = "measured.csv"


class Measured(NamedTuple):
    """A cell that ran to its end, the seconds it took, on what, and the commit that it became."""

    name: str
    sr: str
    backbone: str
    seconds: float
    device: str
    commit: str = ""
    """Empty where an earlier version noted it."""


def read_measured(folder: Path) -> list[Measured]:
    """Return what was noted in `folder`, the oldest first; lines that a kill cut short are left out."""
    file = folder / FILE
    if not file.is_file():
        return []
    found = []
    for row in csv.reader(file.read_text(errors="replace").splitlines()):
        try:
            name, sr, backbone, seconds, device, *commit = row
            found.append(Measured(name, sr, backbone, float(seconds), device, *commit[:1]))
        except ValueError:
            continue
    return found


def note(folder: Path, measured: Measured) -> None:
    """Append a line."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(measured._replace(seconds=round(measured.seconds, 1)))

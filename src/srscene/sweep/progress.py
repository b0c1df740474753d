"""How far a sweep is, what each cell does, when all will have ended; and what cells took here before."""

import csv
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from srscene.runtime.console import say

_RAN = b"Running stage '"
_STAGE = re.compile(rb"Running stage '(\w+)'|Stage '(\w+)' (?:is cached|didn't change)")
TAIL = 1 << 16
"""Bytes of a log that are looked at."""
EVERY = 120
"""Seconds between two lines where there is no terminal."""
MEASURED = "measured.csv"
"""A line for each cell that ran to its end."""


class Follower:
    """A bar over the cells, beside it the stage that each running one is in.

    `expected` is how many seconds all take, if that is known before the first one has ended.
    """

    def __init__(self, count: int, expected: float | None = None) -> None:
        live = sys.stderr.isatty()
        self.bar: tqdm[Any] = tqdm(
            total=count, desc="sweep", unit="cell", smoothing=0, dynamic_ncols=live, file=sys.stderr,
            disable=not live,
        )  # fmt: skip
        self.live, self.began = live, time.monotonic()
        self.said = self.began
        self.ends = None if expected is None else self.began + expected
        self.count, self.done = count, 0

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def ended(self, name: str, seconds: float, why: str | None) -> None:
        """Say that a cell has ended."""
        self.done += 1
        now = time.monotonic()
        self.ends = now + (now - self.began) / self.done * (self.count - self.done)
        self.bar.clear()
        self.bar.update()
        became = f"failed: {why}" if why else f"done in {duration(seconds)}"
        say(f"sweep: {self.done} of {self.count}: {name} {became}{self._left()}")

    def show(self, logs: Mapping[str, Path]) -> None:
        """Show what the running cells do."""
        doing = ", ".join(f"{name}: {stage(log)}" for name, log in logs.items())
        if self.live:
            self.bar.set_postfix_str(f"{doing}{self._left()}")
        elif time.monotonic() - self.said >= EVERY and doing:
            self.said = time.monotonic()
            say(f"sweep: {self.done} of {self.count} ended; {doing}{self._left()}")

    def _left(self) -> str:
        left = 0 if self.ends is None else self.ends - time.monotonic()
        return f"; about {duration(left)} left" if left > 0 else ""


def duration(seconds: float) -> str:
    """Return seconds in words, to the minute from 10 minutes on."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if seconds < 600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def stage(log: Path) -> str:
    """Return the stage that a cell is in, by its log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        found = _STAGE.findall(file.read())
    return max(found[-1]).decode() if found else "starts"


def ran(log: Path) -> bool:
    """Tell whether a cell ran any stage; else DVC had all of it."""
    return _RAN in log.read_bytes()


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
    file = folder / MEASURED
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
    with (folder / MEASURED).open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(measured._replace(seconds=round(measured.seconds, 1)))

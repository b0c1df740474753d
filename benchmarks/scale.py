"""python -m benchmarks scale [--n 519284]: every stage at full size, its images tiny.

Names, splits and products are those of version 1's official lists, an even part of them where fewer patches
are asked for. Images have 8×8 pixels where BigEarthNet has 120×120; shards are as many as at full size. A
second table has images of the real size. Each stage is its library call in a process of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import device_name
from benchmarks.scale_stages import REAL_STAGES, STAGES, TINY, names

SIZES = (1_000, 10_000, 100_000)
REAL_SIZES = (1_000, 5_000, 20_000)
LOOK = 0.01
"""Seconds between two looks at a process's memory."""


class Taken(NamedTuple):
    """What a stage's call takes: seconds of all cores together, and memory at the peak, MiB.

    Memory is what the process has for itself: pages of mapped shards are the page cache's, which takes them
    back when memory is short.
    """

    seconds: float
    memory: float


def run(count: int) -> None:
    """Print both tables, the first up to `count` patches."""
    sizes = [size for size in SIZES if size < count] + [count]
    print(f"Measured on {device_name()}")
    with tempfile.TemporaryDirectory() as folder:
        show(f"images of {TINY}×{TINY}", rehearsed(sizes, STAGES, Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        real = [size for size in REAL_SIZES if size <= count]
        show("images of the real size", rehearsed(real, REAL_STAGES, Path(folder)))


def rehearsed(sizes: Sequence[int], stages: Iterable[str], folder: Path) -> dict[str, dict[int, Taken]]:
    """Return what each stage takes for so many patches, size after size."""
    found: dict[str, dict[int, Taken]] = {stage: {} for stage in stages}
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            names(Path(place), size)
            for stage, taken in found.items():
                taken[size] = measured(stage, Path(place), size)
                print(f"{stage}, {size:,}: {cell(taken[size])}", flush=True)
    return found


def measured(stage: str, folder: Path, size: int) -> Taken:
    """Run a stage in a process of its own; raises RuntimeError with its last words where it fails."""
    command = [sys.executable, "-m", "benchmarks.scale_stages", stage, str(folder), str(size)]
    environment = os.environ | {"DVC_ROOT": str(folder)}
    with (folder / "log").open("w+") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, own_memory(child.pid))
            time.sleep(LOOK)
        log.seek(0)
        lines = log.read().splitlines()
    if child.returncode:
        raise RuntimeError(f"{stage}: " + "\n".join(lines[-20:]))
    return Taken(float(lines[-1]), peak)


def own_memory(process: int) -> float:
    """Return the anonymous memory that a process has now, in MiB; 0 where it has ended. Linux only."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    _, there, rest = status.partition("RssAnon:")
    return int(rest.split()[0]) / 1024 if there else 0.0


def show(title: str, found: dict[str, dict[int, Taken]]) -> None:
    """Print a row for each stage: seconds, memory, and how they grow."""
    sizes = list(next(iter(found.values())))
    heads = [title, *(f"{size:,}" for size in sizes), "to linear", "memory a patch"]
    print("\n" + "\n".join([_line(heads), "|---" + "|--:" * (len(heads) - 1) + "|"]))
    for stage, taken in found.items():
        rise = growth(taken) if len(taken) > 1 else ("–", "–")
        print(_line([stage, *map(cell, taken.values()), *rise]))


def cell(taken: Taken) -> str:
    return f"{taken.seconds:,.3g} s, {taken.memory:,.0f} MiB"


def growth(taken: dict[int, Taken]) -> tuple[str, str]:
    """Return time a patch over that at the size before, 1 where linear, and memory for each further patch."""
    (first, start), (before, small), (last, large) = (list(taken.items())[index] for index in (0, -2, -1))
    ratio = large.seconds / last / (small.seconds / before)
    return f"{ratio:.2f}×", f"{(large.memory - start.memory) * 2**20 / (last - first):,.0f} bytes"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

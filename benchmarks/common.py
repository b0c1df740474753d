"""What all benchmarks share: interleaved timing, a child process's peak memory, a scene, and the table."""

import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from srscene.runtime.console import brief, say

PEAKS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H200 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
}
"""Dense bf16 and fp16 FLOP/s with tensor cores, from NVIDIA's data sheets; a GPU's is the first that its name
holds."""
BLOCK = 512
"""Pixels along a side of a scene's repeated block."""


class Row(NamedTuple):
    """One line of the table. `ratio` is against the topic's baseline, the case whose ratio is 1."""

    topic: str
    case: str
    value: float
    unit: str
    ratio: float | None = None


def compare(cases: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Return each case's median seconds over `rounds`.

    The cases take turns within a round, each round starting with another one, so that a machine that slows
    down slows all of them; one untimed round warms caches first.
    """
    names = list(cases)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        cases[name]()
    for turn in range(rounds):
        start_at = turn % len(names)
        for name in names[start_at:] + names[:start_at]:
            start = time.perf_counter()
            cases[name]()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def works(case: str, run: Callable[[], object]) -> bool:
    """Run it once; return False, with a line that says so, where that fails."""
    try:
        run()
    except Exception as error:  # of whatever kind a compiler or a driver raises
        say_failed(case, error)
        return False
    return True


def say_failed(what: str, error: Exception) -> None:
    say(f"{what}: failed ({type(error).__name__}: {brief(error)})")


def rates(topic: str, unit: str, work: float, seconds: dict[str, float], baseline: str) -> list[Row]:
    """Turn `compare`'s seconds for `work` units into rows of units per second; baseline's ratio is 1."""
    slowest = seconds.get(baseline)
    return [
        Row(topic, case, work / each, f"{unit}/s", slowest / each if slowest else None)
        for case, each in seconds.items()
    ]


def peak_memory(code: str, *arguments: str | Path) -> float:
    """Run Python `code` in a process of its own and return its peak resident memory in MiB."""
    report = "\nfrom benchmarks.common import own_peak_memory; print(own_peak_memory())"
    command = [sys.executable, "-c", code + report, *map(str, arguments)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def own_peak_memory() -> float:
    """Return this process's peak resident memory so far in MiB.

    Linux hands a parent's ru_maxrss on to the programs that it starts; VmHWM starts anew with each.
    """
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def write_scene(path: Path, size: int) -> Path:
    """Write a GeoTIFF of size × size pixels, one block of synthetic land again and again."""
    import numpy as np  # here: what measures its memory imports this module
    import rasterio
    from affine import Affine
    from rasterio.windows import Window

    rng = np.random.default_rng(0)
    smooth = rng.normal(0, 150, (3, BLOCK // 8, BLOCK // 8)).repeat(8, 1).repeat(8, 2)
    block = (smooth + rng.normal(700, 30, (3, BLOCK, BLOCK))).clip(1, 10_000).astype(np.uint16)
    grid = {"crs": "EPSG:32632", "transform": Affine(10, 0, 499_980, 0, -10, 5_700_000)}
    layout = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "count": 3, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", height=size, width=size, **grid, **layout) as file:
        file.descriptions = ("B04", "B03", "B02")
        for top in range(0, size, BLOCK):
            for left in range(0, size, BLOCK):
                height, width = min(BLOCK, size - top), min(BLOCK, size - left)
                file.write(block[:, :height, :width], window=Window(left, top, width, height))
    return path


def peak(gpu: str) -> float | None:
    """Return the FLOP/s of a GPU with this name; None where it is not listed, or is a part of one (MIG)."""
    return None if "MIG" in gpu else next((flops for name, flops in PEAKS.items() if name in gpu), None)


def device_name() -> str:
    """Return the GPU's name if PyTorch sees one, and the CPU's name and number of usable cores."""
    import torch

    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    return f"{gpu}{_cpu_name()}, {torch.get_num_threads()} threads"


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    cells: list[Sequence[str]] = [
        ("topic", "case", "value", "unit", "ratio"),
        ("---", "---", "--:", "---", "--:"),
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}×"
        cells.append((row.topic, row.case, _number(row.value), row.unit, ratio))
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(rows: Iterable[Row]) -> None:
    """Print the device's name and the table."""
    print(f"\nMeasured on {device_name()}\n\n{table(rows)}", flush=True)

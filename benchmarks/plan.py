"""python -m benchmarks plan [--n 3]: hours and bytes of the paper's grid at full size, on eight H100.

The GPUs compute while cores encode and decode and disks read and write, so that a stage takes as long as the
slowest of them. GPU hours are computed, from multiply-adds and an assumed share of the peak; the rates of a
core are measured, with two cores, and multiplied by the node's.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import seesr
from benchmarks.common import PEAKS
from benchmarks.upscaling import CASES
from srscene.classify.options import PAPER
from srscene.core.classes import CLASSES
from srscene.ingest.splits import read_splits
from srscene.runtime.files import size

GPUS, PEAK = 8, PEAKS["H100"]
CORES, DISK = 8 * GPUS, 5e9
"""Cores: eight encode for a GPU, or eight processes read; bytes/s of the node's disks, assumed."""
SHARES = {"srresnet": 0.4, "realesrgan": 0.4, "hat": 0.3, "seesr": 0.4}
"""Of the peak, assumed of upscaling: the goals, on no GPU measured."""
TRAINING = 0.1
"""Share of the peak, assumed of training: 880 images/s of 480×480 with ResNet-50."""
EPOCHS = 30
"""At most, by paper.overrides; reBEN's own trainings ended after 19 to 26."""

UNPACKED = 941.0
"""Patches/s of `ingest` from .tar.gz, whose inflate is one thread; measured (docs/benchmarks.md)."""
ENCODED, DECODED, PACKED = 152.0, 263.0, 0.33
"""Images of 480×480 a second and core, and share of the raw bytes; measured (docs/store.md)."""
ASSESSED, EVALUATED = 65.0, 30.0
"""Patches a second and core of `assess`, seconds of `evaluate` on all of test: docs/scale.md."""
THREADS = 8
"""Cores that `assess` is assumed to keep busy, whose threads share one interpreter."""
HASHED = 4 * 0.45e9
"""Bytes/s of MD5, by which DVC knows outputs: four threads, each as one core was measured."""

LOW, HIGH = 120 * 120 * 3, 480 * 480 * 3
"""Bytes of a patch as ingested, and upscaled."""
ARCHIVE = 66e9
PREDICTED = 19 * 5 + 32
"""Bytes of a patch's probabilities, labels and name."""


class Stage(NamedTuple):
    """A line of the plan: hours of one run and what bounds them, bytes that it leaves."""

    name: str
    runs: int
    hours: float
    bound: str
    bytes: float


def stage(
    name: str, runs: int, flop: float = 0, cores: float = 0, moved: float = 0, left: float = 0
) -> Stage:
    """Return a stage of so many operations (over their share of the peak), core seconds and bytes moved."""
    seconds = {"GPUs": flop / PEAK / GPUS, "cores": cores / CORES, "disk": moved / DISK}
    bound = max(seconds, key=seconds.__getitem__)
    return Stage(name, runs, seconds[bound] / 3600, bound, left)


def plan(seeds: int) -> Iterator[Stage]:
    """Yield the stages of the 20 cells and of the control's 4, each trained with so many seeds."""
    splits = Counter(entry.split for entry in read_splits(Path("/nowhere")).listed.values())
    patches, test = sum(splits.values()), splits["test"]
    low, high = patches * LOW, patches * HIGH * PACKED
    yield Stage("ingest, from .tar.gz", 1, patches / UNPACKED / 3600, "inflate", ARCHIVE + low)
    yield stage("upscale: none", 1, moved=2 * low, left=low)
    for name, flop in enlarging().items():
        yield stage(f"upscale: {name}", 1, flop * patches, patches / ENCODED, low + high, high)
    yield Stage("assess", 5, test / ASSESSED / THREADS / 3600, f"{THREADS} cores", 0)
    for side, variants, decoded in ((480, 5, 1 / DECODED), (120, 1, 0.0)):
        for backbone in PAPER:
            macs, parameters = counted(backbone, side)
            seen = EPOCHS * (3 * splits["train"] + splits["val"]) + splits["val"] + test
            read = EPOCHS * (splits["train"] + splits["val"]) + splits["val"] + test
            yield stage(
                f"train and predict: {backbone}, {side}×{side}",
                variants * seeds,
                2 * macs * seen / TRAINING,
                read * decoded,
                high if decoded else low,  # from the second epoch on the page cache has it
                4 * parameters + (splits["val"] + test) * PREDICTED,
            )
    yield Stage("evaluate", 6 * len(PAPER) * seeds, EVALUATED / 3600, "one core", 1e6)
    yield Stage("DVC's hashes of the stores", 1, (2 * low + 5 * high) / HASHED / 3600, "4 threads", 0)


def enlarging() -> dict[str, float]:
    """Return the operations of each upscaler for a patch, over its share of the peak; none of bicubic."""
    macs = {name: 1e9 * CASES[name].giga_macs for name in ("srresnet", "hat", "realesrgan")}
    macs["seesr"] = 50 * seesr.STEP + seesr.ONCE
    return {"bicubic": 0.0} | {name: 2 * count / SHARES[name] for name, count in macs.items()}


def counted(backbone: str, side: int) -> tuple[float, int]:
    """Return a backbone's multiply-adds for an image, and its parameters; computes nothing."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = timm.create_model(backbone, num_classes=len(CLASSES)).eval()
        model(torch.empty(1, 3, side, side))
    return counter.get_total_flops() / 2, sum(weight.numel() for weight in model.parameters())


def table(stages: Iterable[Stage]) -> str:
    """Return the plan as a Markdown table, with its sums."""
    lines = ["| stage | runs | h a run | h | bound by | it leaves |", "|---|--:|--:|--:|---|--:|"]
    hours = total = 0.0
    for name, runs, each, bound, left in stages:
        hours, total = hours + runs * each, total + runs * left
        cells = [
            name,
            str(runs),
            f"{each:.2g}",
            f"{runs * each:.2g}",
            bound,
            size(runs * left) if left else "–",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, f"| **all** | | | **{hours:.0f}** | | **{size(total)}** |"])


def run(seeds: int) -> None:
    """Print the plan of the grid with so many seeds."""
    print(table(plan(seeds)))

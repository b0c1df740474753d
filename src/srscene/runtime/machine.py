"""How much of the machine a stage uses: speed and memory alone, so that no stage declares it."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srscene.runtime.console import say
from srscene.runtime.params import Section

if TYPE_CHECKING:  # not at run time: it takes seconds
    import torch

RANK = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
"""How torchrun, srun, Open MPI and other MPIs number the processes that they start."""
LOCAL_RANK = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")
"""The same, on a process's own node."""


class Machine(Section):
    """The section `machine` of params.yaml."""

    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"]
    """Patches at once in upscale, predict and explain."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"]
    """Processes that read ahead of a GPU while training."""

    def batch(self, device: "torch.device", on_gpu: int, on_cpu: int) -> int:
        """Return the batch size to start with; the work halves it where memory runs out."""
        if self.batch_size != "auto":
            return self.batch_size
        return on_gpu if device.type == "cuda" else on_cpu

    def readers(self, device: "torch.device") -> int:
        """Return the number of reading processes; `auto`: up to 8 for a GPU.

        None for a CPU, which computes far longer on a patch than it reads (4 ms).
        """
        if self.workers != "auto":
            return self.workers
        return min(8, max(1, own_cores() - 1)) if device.type == "cuda" else 0


class Crowded:
    """Says once that other work shares the cores, where this process's threads wait for one too long.

    Linux alone tells; elsewhere it is quiet.
    """

    def __init__(self, least: float = 20.0, tasks: Path = Path("/proc/self/task")) -> None:
        """`least` is how many seconds of running and waiting, and of the clock, are judged together."""
        self.least, self.tasks, self.said = least, tasks, False
        self.since, self.before = time.monotonic(), self._scheduled()

    def look(self) -> None:
        """Say it, if so; for each step of a loop."""
        if self.said or time.monotonic() - self.since < self.least:
            return
        now = self._scheduled()
        ran, waited = (after - before for after, before in zip(now, self.before, strict=True))
        if ran + waited < self.least:
            return
        self.since, self.before, self.said = time.monotonic(), now, waited > ran / 2
        if self.said:
            say(
                f"other work shares this machine's cores: {waited / (ran + waited):.0%} of the time is spent "
                "waiting; fewer threads (OMP_NUM_THREADS) or fewer cells at once are faster"
            )

    def _scheduled(self) -> tuple[float, float]:
        """Return the seconds that the threads have run, and waited for a core."""
        ran = waited = 0
        for file in self.tasks.glob("*/schedstat"):
            with suppress(OSError):  # the thread has ended
                times = file.read_text().split()
                ran, waited = ran + int(times[0]), waited + int(times[1])
        return ran / 1e9, waited / 1e9


def cpu_threads() -> int:
    """Return how many threads this process may use: OMP_NUM_THREADS, else the cores that it may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else len(os.sched_getaffinity(0))


def own_cores() -> int:
    """Return this process's cores: its share where torchrun started several, for which it sets no threads."""
    processes = _number(("LOCAL_WORLD_SIZE",))
    return max(1, len(os.sched_getaffinity(0)) // processes) if processes > 1 else cpu_threads()


def first_process() -> bool:
    """Tell whether this is the first, or only, process of those that a launcher started."""
    return _number(RANK) == 0


def local_rank() -> int:
    """Return the number of this process among those on its node, from 0."""
    return _number(LOCAL_RANK)


def _number(names: tuple[str, ...]) -> int:
    found = (os.environ.get(name, "") for name in names)
    return next((int(value) for value in found if value.isdecimal()), 0)

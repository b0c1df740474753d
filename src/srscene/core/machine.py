"""How much of the machine the stages use: speed and memory alone, so that no stage declares it."""

import os
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srscene.core.console import BadInput
from srscene.core.params import Section

if TYPE_CHECKING:  # not at run time: it takes seconds
    import torch

COUNTS = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Where torchrun, Slurm's srun and MPI say how many processes they started."""


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

        None for a CPU, which computes far longer on a patch than it reads (0.1 ms).
        """
        if self.workers != "auto":
            return self.workers
        return min(8, max(1, cpu_threads() - 1)) if device.type == "cuda" else 0


def cpu_threads() -> int:
    """Return how many threads this process may use: OMP_NUM_THREADS, else the cores that it may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else len(os.sched_getaffinity(0))


def one_process(stage: str) -> None:
    """Raise BadInput where a launcher started several processes."""
    for name in COUNTS:
        if os.environ.get(name, "1") != "1":
            raise BadInput(
                f"{stage}: started in {os.environ[name]} processes ({name}), expected one, since it does not "
                f"divide its work yet; run `SRSCENE_LAUNCH= dvc repro {stage}` first"
            )

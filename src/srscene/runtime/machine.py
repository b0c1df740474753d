"""How much of the machine the stages use, and in how many processes: speed and memory alone, so that no stage
declares it.
"""

import os
import re
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from srscene.runtime.console import BadInput
from srscene.runtime.params import Section

if TYPE_CHECKING:  # not at run time: it takes seconds
    import torch

LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),
)
"""How torchrun, Slurm's srun, Open MPI and other MPIs number the processes that they start.

SLURM_NTASKS would not do: it stands in the batch script's own environment too, which is one process.
"""
ON_THIS_NODE = (
    "LOCAL_WORLD_SIZE", "SLURM_STEP_TASKS_PER_NODE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"
)  # fmt: skip
"""How they say how many of these processes a node has; Slurm of all nodes, as `8(x3),2`."""


class Place(NamedTuple):
    """One of the processes that a launcher started: number, how many there are, number on its node."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0


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


def cpu_threads() -> int:
    """Return how many threads this process may use: OMP_NUM_THREADS, else the cores that it may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else len(os.sched_getaffinity(0))


def own_cores() -> int:
    """Return this process's part of the cores, where a launcher started several on the node; at least 1.

    OMP_NUM_THREADS does not count: torchrun sets it to 1. torchrun's processes share the cores that they may
    run on; srun may have bound each to its own ones, fewer than the step has on the node.
    """
    cores = len(os.sched_getaffinity(0))
    if launched().world == 1:
        return cores
    together = next((count for count in map(_number, ON_THIS_NODE) if count), 1)
    return max(1, min(cores, (_number("SLURM_CPUS_ON_NODE") or cores) // together))


def _number(name: str) -> int:
    """Return the number that an environment variable begins with; 0 without one."""
    found = re.match("[0-9]+", os.environ.get(name, ""))
    return int(found[0]) if found else 0


def launched() -> Place:
    """Return this process's place, from what its launcher put into the environment; alone without one.

    Raises BadInput where a launcher's variables do not fit together.
    """
    for names in LAUNCHERS:
        found = {name: os.environ[name] for name in names if name in os.environ}
        if found.get(names[1], "1") == "1":
            continue
        place = [int(value) for value in found.values() if value.isdecimal()]
        if len(place) == len(names) and max(place[0], place[2]) < place[1]:
            return Place(*place)
        raise BadInput(
            f"environment: {' '.join(f'{name}={value}' for name, value in found.items())}, expected "
            f"{', '.join(names)} as a launcher sets them; start with torchrun, srun or mpirun, or unset them"
        )
    return Place()

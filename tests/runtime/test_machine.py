"""How many processes read for each GPU."""

import pytest
import torch

from srscene.runtime.machine import Machine
from tests.options import section

TORCHRUN = {
    "RANK": "9",
    "WORLD_SIZE": "16",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "8",
    "OMP_NUM_THREADS": "1",
}
SRUN = {
    "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "18", "SLURM_LOCALID": "5",
    "SLURM_STEP_TASKS_PER_NODE": "8(x2),2", "SLURM_CPUS_ON_NODE": "64", "OMP_NUM_THREADS": "1",
}  # fmt: skip


@pytest.mark.parametrize(("cores", "environment", "readers"), [
    (64, {"OMP_NUM_THREADS": "1"}, 8),
    (4, {"OMP_NUM_THREADS": "1"}, 3),
    (1, {}, 1),
    (48, TORCHRUN, 5),
    (12, TORCHRUN, 1),
    (64, SRUN, 7),  # each may run on all cores of the node
    (6, SRUN, 5),  # bound to its own
    (64, {"SLURM_NTASKS_PER_NODE": "8", "SLURM_CPUS_ON_NODE": "64"}, 8),  # the batch script, one process
])  # fmt: skip
def test_readers_are_as_many_as_the_cores_of_a_process(
    monkeypatch: pytest.MonkeyPatch, cores: int, environment: dict[str, str], readers: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert section("machine", Machine).readers(torch.device("cuda")) == readers

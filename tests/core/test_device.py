import pytest
import torch

from srscene.core.console import BadInput
from srscene.core.device import describe, halving
from srscene.core.machine import Machine, Place, cpu_threads, launched
from tests.options import section

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_auto_is_what_suits_the_device():
    machine = section("machine", Machine)
    assert (machine.batch(GPU, 64, 4), machine.batch(CPU, 64, 4)) == (64, 4)
    assert machine.readers(CPU) == 0
    assert 1 <= machine.readers(GPU) <= 8


def test_a_number_is_taken_at_its_word():
    machine = section("machine", Machine, batch_size=3, workers=2)
    assert (machine.batch(GPU, 64, 4), machine.batch(CPU, 64, 4)) == (3, 3)
    assert (machine.readers(GPU), machine.readers(CPU)) == (2, 2)


def test_threads_are_those_that_the_user_allows(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cpu_threads() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert cpu_threads() >= 1
    assert describe(CPU).startswith("CPU, ")


PLACES = {
    "torchrun": {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"},
    "srun": {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1"},
    "Open MPI": {
        "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_RANK": "1"
    },
    "MPICH": {"PMI_RANK": "5", "PMI_SIZE": "8", "MPI_LOCALRANKID": "1"},
}  # fmt: skip


@pytest.mark.parametrize("launcher", PLACES)
def test_a_launcher_tells_a_process_its_place(monkeypatch, launcher):
    assert launched() == Place(0, 1, 0)
    for name, value in PLACES[launcher].items():
        monkeypatch.setenv(name, value)
    assert launched() == Place(5, 8, 1)
    monkeypatch.setenv("WORLD_SIZE", "1")  # left by something: it says nothing of the others
    assert launched() == Place(5, 8, 1) or launcher == "torchrun"


def test_a_batch_script_of_several_tasks_is_one_process(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert launched() == Place()


@pytest.mark.parametrize("environment", [
    {"WORLD_SIZE": "2"}, {"WORLD_SIZE": "2", "RANK": "2", "LOCAL_RANK": "0"},
    {"WORLD_SIZE": "two", "RANK": "0", "LOCAL_RANK": "0"},
])  # fmt: skip
def test_half_a_launcher_is_refused(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match="expected RANK, WORLD_SIZE, LOCAL_RANK as a launcher sets them"):
        launched()


def _fits_up_to(limit: int) -> object:
    def run(batch_size: int) -> int:
        torch.empty(1 if batch_size <= limit else 2**62, dtype=torch.uint8)  # no machine has 2^62 bytes
        return batch_size

    return run


@pytest.mark.parametrize(("limit", "found"), [(9, 9), (8, 4), (1, 1)])
def test_the_batch_is_halved_until_memory_suffices(limit: int, found: int) -> None:
    assert halving("upscale", _fits_up_to(limit), 9) == found  # type: ignore[arg-type]


def test_too_little_memory_for_one_image() -> None:
    with pytest.raises(BadInput, match="upscale: not even one patch fits"):
        halving("upscale", _fits_up_to(0), 4)  # type: ignore[arg-type]


def test_other_errors_are_not_hidden() -> None:
    def run(batch_size: int) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        halving("upscale", run, 4)

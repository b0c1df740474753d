import pytest
import torch

from srscene.core.console import BadInput
from srscene.core.device import describe, halving
from srscene.core.machine import Machine, cpu_threads, one_process
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


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"])
def test_several_processes_are_refused_where_work_is_not_divided(monkeypatch, name):
    one_process("upscale")
    monkeypatch.setenv(name, "1")
    one_process("upscale")
    monkeypatch.setenv(name, "2")
    with pytest.raises(BadInput, match=f"upscale: started in 2 processes .{name}., expected one"):
        one_process("upscale")


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

import pytest
import torch

from srscene.core.console import BadInput
from srscene.core.device import Machine, cpu_threads, describe, one_process
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

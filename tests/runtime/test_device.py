from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from srscene.runtime.console import BadInput
from srscene.runtime.device import describe, fitting, halving, kind_of, pick_device
from srscene.runtime.machine import Machine, cpu_threads, first_process, local_rank
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


RANKS = {
    "torchrun": {"RANK": "5", "LOCAL_RANK": "1"},
    "srun": {"SLURM_PROCID": "5", "SLURM_LOCALID": "1"},
    "Open MPI": {"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_LOCAL_RANK": "1"},
    "MPICH": {"PMI_RANK": "5", "MPI_LOCALRANKID": "1"},
}


@pytest.mark.parametrize("launcher", RANKS)
def test_a_launcher_numbers_its_processes(monkeypatch, launcher):
    assert (first_process(), local_rank()) == (True, 0)
    for name, value in RANKS[launcher].items():
        monkeypatch.setenv(name, value)
    assert (first_process(), local_rank()) == (False, 1)


@pytest.mark.parametrize(("visible", "number", "index"), [(4, "2", 2), (4, "", 0), (1, "3", 0)])
def test_a_process_takes_the_gpu_of_its_number(monkeypatch, visible, number, index):
    """Of those that it sees: a scheduler may show each process its own one alone."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    monkeypatch.setenv("LOCAL_RANK", number)
    assert pick_device() == torch.device("cuda", index)


def test_without_a_gpu_it_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device() == CPU
    assert kind_of(CPU) == "cpu"


def _fits_up_to(limit: int, words: str = "") -> Callable[[int], int]:
    def run(batch_size: int) -> int:
        if batch_size > limit and words:
            raise RuntimeError(words)
        torch.empty(1 if batch_size <= limit else 2**62, dtype=torch.uint8)  # no machine has 2^62 bytes
        return batch_size

    return run


@pytest.mark.parametrize(("limit", "found"), [(9, 9), (8, 4), (1, 1)])
def test_the_batch_is_halved_until_memory_suffices(limit: int, found: int) -> None:
    assert halving("upscale", _fits_up_to(limit), 9) == found


@pytest.mark.parametrize("words", [
    "CUDA out of memory. Tried to allocate 20.00 MiB.",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
])  # fmt: skip
def test_a_gpu_says_it_in_several_ways(words: str) -> None:
    assert halving("upscale", _fits_up_to(2, words), 8) == 2


def test_the_next_run_begins_with_what_fitted(tmp_path: Path) -> None:
    assert halving("upscale", _fits_up_to(9), 16, tmp_path) == 8
    assert (fitting(tmp_path, 16), fitting(tmp_path, 4)) == (8, 4)
    assert halving("upscale", _fits_up_to(2), 8, tmp_path) == 2
    assert fitting(tmp_path, 16) == 2


def test_too_little_memory_for_one_image() -> None:
    with pytest.raises(BadInput, match="upscale: not even one patch fits"):
        halving("upscale", _fits_up_to(0), 4)


def test_other_errors_are_not_hidden() -> None:
    def run(batch_size: int) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        halving("upscale", run, 4)

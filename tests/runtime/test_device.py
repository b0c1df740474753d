import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import PartialState
from accelerate.utils import DistributedType

from srscene.runtime import device, leases
from srscene.runtime.console import BadInput
from srscene.runtime.device import describe, fitting, halving, take_device
from srscene.runtime.machine import Machine, Place, cpu_threads, launched
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


GPUS = ["GPU-a", "GPU-b", "GPU-c", "GPU-d"]


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with four GPUs, as CUDA shows them; return the numbers of those that were chosen."""
    chosen: list[int] = []

    def visible() -> list[str]:
        numbers = os.environ.get("CUDA_VISIBLE_DEVICES", "0,1,2,3")
        return [GPUS[int(number)] for number in numbers.split(",") if number]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(visible()))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(visible()))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=visible()[number])
    )
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(leases.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(device, "_LEASE", [])
    return chosen


def test_a_stage_takes_the_first_gpu_that_no_other_has(gpus: list[int]) -> None:
    other = leases.take("train", GPUS)
    assert [take_device("upscale"), take_device("upscale")] == [torch.device("cuda", 1)] * 2
    assert gpus == [1, 1]
    assert leases.take("train", GPUS).index == 2
    other.release()


def test_of_those_that_the_user_leaves(gpus: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    other = leases.take("train", GPUS[1:])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    assert take_device("upscale") == torch.device("cuda", 1)
    free = [leases.take("train", GPUS) for _ in range(2)]
    assert [lease.index for lease in free] == [0, 3]
    other.release()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert take_device("upscale") == CPU


def test_a_launchers_process_takes_the_gpu_of_its_number_on_the_node(
    gpus: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"RANK": "6", "WORLD_SIZE": "8", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    assert take_device("upscale") == torch.device("cuda", 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")  # a scheduler that shows each its own
    assert take_device("upscale") == torch.device("cuda", 0)
    assert gpus == [2, 0]
    assert not list(tmp_path.iterdir())  # no lease


def test_a_launcher_of_one_process_does_not_choose_the_gpu(
    gpus: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    other = leases.take("train", GPUS)
    assert take_device("train") == torch.device("cuda", 1)
    PartialState._reset_state()
    try:
        assert PartialState(cpu=True).distributed_type == DistributedType.NO
    finally:
        PartialState._reset_state()
    other.release()


def test_pretended_gpus_are_leased(tmp_path: Path, gpus: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leases.PRETENDED, "x,y")
    assert take_device("train") == CPU
    assert leases.take("train", ["x", "y"]).index == 1
    assert gpus == []


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


def test_the_first_process_speaks_for_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank, said in (("0", "upscale: out of memory; going on with batches of 4\n"), ("1", "")):
        for name, value in {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank}.items():
            monkeypatch.setenv(name, value)
        halving("upscale", _fits_up_to(4), 8)
        assert capsys.readouterr().out == said


def test_too_little_memory_for_one_image() -> None:
    with pytest.raises(BadInput, match="upscale: not even one patch fits"):
        halving("upscale", _fits_up_to(0), 4)


def test_other_errors_are_not_hidden() -> None:
    def run(batch_size: int) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        halving("upscale", run, 4)

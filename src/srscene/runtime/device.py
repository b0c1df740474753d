"""Which device a heavy stage computes on, and how it copes with little memory there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from accelerate.utils.memory import should_reduce_batch_size

from srscene.runtime.console import BadInput, brief, say
from srscene.runtime.machine import local_rank

T = TypeVar("T")

NO_MEMORY = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What accelerate does not take for a full memory."""
BATCHES_OF = "batches-of-"
"""`batches-of-8`, an empty file in scratch, notes that memory did not suffice for more."""


def pick_device() -> torch.device:
    """Return this process's GPU, by its number on the node, else the CPU.

    CUDA_VISIBLE_DEVICES chooses among GPUs.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local_rank() % torch.cuda.device_count())


def kind_of(device: torch.device) -> str:
    """Return what results depend on: `cpu`, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def describe(device: torch.device, processes: int = 1) -> str:
    """Return the device of each process in words, for the line that every long stage prints first."""
    several = f" × {processes} processes" if processes > 1 else ""
    if device.type == "cuda":
        return kind_of(device) + several
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}{several}"


@contextmanager
def compiling() -> Iterator[None]:
    """Turn what torch.compile raises where it can't compile into BadInput."""
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise BadInput(
            f"params.yaml: compile: torch.compile failed here ({brief(error)}); set it to false, or install "
            "what it lacks"
        ) from None


def halving(what: str, run: Callable[[int], T], batch_size: int, notes: Path | None = None) -> T:
    """Return `run(batch_size)`, tried with half the batch as often as memory runs out.

    The folder `notes` then tells `fitting` of it. Raises BadInput when it runs out for a batch of one.
    """
    while True:
        try:
            with compiling():
                return run(batch_size)
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
        if batch_size == 1:
            raise BadInput(f"{what}: not even one patch fits the device's memory; free some, or take another")
        batch_size //= 2
        if notes:
            (notes / f"{BATCHES_OF}{batch_size}").touch()
        torch.cuda.empty_cache()
        say(f"{what}: out of memory; going on with batches of {batch_size}")


def fitting(notes: Path, batch_size: int) -> int:
    """Return the batch size to begin with: a smaller one where `halving` came to it before."""
    found = (note.name.removeprefix(BATCHES_OF) for note in notes.glob(f"{BATCHES_OF}*"))
    return min([batch_size, *map(int, found)])


def _out_of_memory(error: RuntimeError) -> bool:
    return should_reduce_batch_size(error) or any(words in str(error) for words in NO_MEMORY)

"""Which device and which number format the heavy stages run with."""

from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from accelerate.utils.memory import should_reduce_batch_size

from srscene.core import leases
from srscene.core.console import BadInput, say
from srscene.core.machine import launched
from srscene.core.params import PrecisionChoice

T = TypeVar("T")

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LEASE: list[leases.Lease] = []
"""The lease of this process's GPU, once it has one."""


def pick_device() -> torch.device:
    """Return the first GPU, else the CPU. CUDA_VISIBLE_DEVICES chooses among GPUs."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def take_device(stage: str) -> torch.device:
    """Return the device that a heavy stage computes on: a GPU for itself, else the CPU.

    Of the GPUs that CUDA_VISIBLE_DEVICES leaves it is the first that no other stage of this user has, until
    the process ends; a line says that it waits for one. A launcher's processes take one each, by their number
    on the node, and no lease: their launcher, or its scheduler, has shared out the GPUs.
    """
    if not torch.cuda.is_available():
        return pick_device()
    count, place = torch.cuda.device_count(), launched()
    if place.world > 1:
        index = place.local_rank % count
    else:
        if not _LEASE:
            names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
            _LEASE.append(leases.take(stage, names))
        index = _LEASE[0].index
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def pick_precision(choice: PrecisionChoice, device: torch.device, on_gpu: Precision) -> Precision:
    """Resolve `auto`: `on_gpu` on a GPU, bf16 on a CPU that has it natively, else fp32.

    Emulated bf16 is slower than fp32, so a CPU counts only with AVX512-BF16, AMX or ARM's BF16 instructions.
    """
    if choice != "auto":
        return choice
    if device.type == "cuda":
        return on_gpu
    return "bf16" if cpu_has_bf16() else "fp32"


def cpu_has_bf16() -> bool:
    """Tell whether the CPU multiplies bf16 natively."""
    features = torch.cpu.get_capabilities()
    return any(features.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def describe(device: torch.device) -> str:
    """Return the device in words, for the line that every long stage prints first."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"


def halving(what: str, run: Callable[[int], T], batch_size: int) -> T:
    """Return `run(batch_size)`, tried with half the batch as often as memory runs out.

    Raises BadInput when it runs out for a batch of one.
    """
    while True:
        try:
            return run(batch_size)
        except RuntimeError as error:
            if not should_reduce_batch_size(error):
                raise
        if batch_size == 1:
            raise BadInput(f"{what}: not even one patch fits the device's memory; free some, or take another")
        batch_size //= 2
        torch.cuda.empty_cache()
        say(f"{what}: out of memory; going on with batches of {batch_size}")

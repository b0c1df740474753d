"""The number formats that networks compute in."""

from typing import Literal

import torch

from srscene.runtime.params import PrecisionChoice

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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

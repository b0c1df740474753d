"""From bytes to a network's numbers and back, the way that BasicSR's and HAT's test scripts do it."""

from collections.abc import Sequence

import torch

from srscene.runtime.console import BadInput


def to_unit_range(images: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) in 0..1, channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div(255).to(dtype)


def from_unit_range(images: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) -> (N, H, W, 3) uint8: clamp to 0..1, × 255, round (basicsr.utils.tensor2img)."""
    return images.float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).contiguous()


def finite(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
    """Return a network's output (N, …) as it is; raises BadInput naming the first of N patches with a NaN."""
    sound = torch.isfinite(images).flatten(1).all(1).tolist()  # the batch's one wait for the GPU
    if not all(sound):
        raise BadInput(
            f"{names[sound.index(False)]}: the upscaler's output has NaN or infinite values; try another "
            "`precision` (fp32 is the safest), or other weights"
        )
    return images

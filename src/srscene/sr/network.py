"""From bytes to a network's numbers and back, the way that BasicSR's and HAT's test scripts do it."""

from collections.abc import Sequence

import torch
from torch import nn

from srscene.device import DTYPES, Precision
from srscene.sr.upscaler import Upscale


def to_unit_range(images: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) in 0..1, channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div(255).to(dtype)


def from_unit_range(images: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) -> (N, H, W, 3) uint8: clamp to 0..1, × 255, round (basicsr.utils.tensor2img)."""
    return images.float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).contiguous()


def as_upscale(network: nn.Module, device: torch.device, precision: Precision) -> Upscale:
    """Return the function that runs `network`, an RGB network on 0..1 without randomness.

    All weights are held in `precision`; channels last is what both oneDNN and cuDNN run fastest.
    """
    dtype = DTYPES[precision]
    network = network.eval().requires_grad_(False).to(device, dtype)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
        return from_unit_range(network(to_unit_range(images, dtype)))

    return upscale

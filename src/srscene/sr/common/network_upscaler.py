"""The body that convolutional upscalers share: one `build` function makes an upscaler of a network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from srscene.core.precision import DTYPES, Precision, pick_precision
from srscene.runtime.params import PrecisionChoice
from srscene.sr.common.checkpoints import State, read, weights_file
from srscene.sr.common.tensors import finite, from_unit_range, to_unit_range
from srscene.sr.common.upscaler import Seams, Upscale, Upscaler

Build = Callable[[State, Path], nn.Module]
"""Weights and their file -> the network, RGB in 0..1 to RGB; raises BadInput when they are another's."""


class Options(Protocol):
    @property
    def precision(self) -> PrecisionChoice: ...

    @property
    def compile(self) -> bool: ...


class NetworkUpscaler(Upscaler[Options]):
    """An upscaler without randomness, which `build` makes of the weights alone."""

    def __init__(
        self,
        build: Build,
        gpu_precision: Precision = "fp32",
        gpu_batch: int = 16,
        cpu_batch: int = 1,
        seams: Seams = Upscaler.seams,
    ) -> None:
        self.build, self.gpu_precision, self.seams = build, gpu_precision, seams
        self.gpu_batch, self.cpu_batch = gpu_batch, cpu_batch

    def precision(self, options: Options, device: torch.device) -> Precision:
        return pick_precision(options.precision, device, self.gpu_precision)

    def load(self, options: Options, folder: Path, device: torch.device, precision: Precision) -> Upscale:
        file = weights_file(folder)
        network = self.build(read(file), file)
        self.check_precision(network, precision)
        if options.compile:
            network.compile(dynamic=False)  # a store has images of one size, a scene of few
        return as_upscale(network, device, precision)

    def check_precision(self, network: nn.Module, precision: Precision) -> None:
        """Raise BadInput when the network cannot compute in `precision`."""

    def check(self, state: State, file: Path) -> None:
        """Raise BadInput when `state`, read from `file`, does not fit the network."""
        self.build(state, file)


def as_upscale(network: nn.Module, device: torch.device, precision: Precision) -> Upscale:
    """Return the function that runs `network`, an RGB network on 0..1 without randomness.

    All weights are held in `precision`; channels last is what both oneDNN and cuDNN run fastest.
    """
    dtype = DTYPES[precision]
    network = network.eval().requires_grad_(False).to(device, dtype)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
        return from_unit_range(finite(network(to_unit_range(images, dtype)), names))

    return upscale

"""Bicubic interpolation, the control: it tells super-resolution from mere enlargement."""

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import Field
from torch.nn.functional import interpolate

from srscene.device import Precision, PrecisionChoice
from srscene.sr.network import from_unit_range, to_unit_range
from srscene.sr.upscaler import Card, Upscale, Upscaler, UpscalerOptions
from srscene.store import PatchStore


class BicubicOptions(UpscalerOptions):
    precision: PrecisionChoice = "fp32"  # costs nothing beside reading and writing
    scale: int = Field(4, ge=2)


class Bicubic(Upscaler[BicubicOptions]):
    """Keys' cubic convolution with a = -0.75 (PyTorch's and OpenCV's)."""

    options = BicubicOptions

    def prepare(self, options: BicubicOptions, patches: PatchStore, seed: int, folder: Path) -> Card:
        return {"source": "none", "parameters": 0}

    def load(
        self, options: BicubicOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            unit = to_unit_range(images, torch.float32)
            return from_unit_range(interpolate(unit, scale_factor=options.scale, mode="bicubic"))

        return upscale


UPSCALER = Bicubic()

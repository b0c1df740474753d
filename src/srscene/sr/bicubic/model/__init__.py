"""Keys' cubic convolution with a = -0.75, PyTorch's and OpenCV's."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import interpolate

from srscene.core.precision import Precision
from srscene.sr.bicubic.options import UpscaleOptions
from srscene.sr.common.tensors import from_unit_range, to_unit_range
from srscene.sr.common.upscaler import Seams, Upscale, Upscaler


class Bicubic(Upscaler[UpscaleOptions]):
    """Always fp32, which costs nothing beside reading and writing."""

    cpu_batch = 8
    seams = Seams(4)
    defaults = UpscaleOptions(scale=4)

    def load(
        self, options: UpscaleOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            unit = to_unit_range(images, torch.float32)
            return from_unit_range(interpolate(unit, scale_factor=options.scale, mode="bicubic"))

        return upscale


UPSCALER = Bicubic()

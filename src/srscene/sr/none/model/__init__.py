"""Nothing is computed."""

from collections.abc import Sequence
from pathlib import Path

import torch

from srscene.core.device import Precision
from srscene.sr.common.upscaler import Upscale, Upscaler
from srscene.sr.none.options import UpscaleOptions


class NoUpscaler(Upscaler[UpscaleOptions]):
    cpu_batch = 16

    def load(
        self, options: UpscaleOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            return images

        return upscale


UPSCALER = NoUpscaler()

"""The paper's baseline: patches stay as they are."""

from collections.abc import Sequence
from pathlib import Path

import torch

from srscene.device import Precision
from srscene.sr.upscaler import Card, Upscale, Upscaler, UpscalerOptions
from srscene.store import PatchStore


class NoUpscaler(Upscaler[UpscalerOptions]):
    options = UpscalerOptions

    def prepare(self, options: UpscalerOptions, patches: PatchStore, seed: int, folder: Path) -> Card:
        return {"source": "none", "parameters": 0}

    def load(
        self, options: UpscalerOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            return images

        return upscale


UPSCALER = NoUpscaler()

"""The paper's baseline: patches stay as they are."""

from collections.abc import Sequence
from pathlib import Path

import torch

from srscene.device import Precision, PrecisionChoice
from srscene.sr.upscaler import Card, Upscale, Upscaler, UpscalerOptions
from srscene.store import PatchStore


class NoOptions(UpscalerOptions):
    precision: PrecisionChoice = "fp32"  # for the record: nothing is computed


class NoUpscaler(Upscaler[NoOptions]):
    options = NoOptions

    def prepare(self, options: NoOptions, patches: PatchStore, seed: int, folder: Path) -> Card:
        return {"source": "none", "parameters": 0}

    def load(self, options: NoOptions, folder: Path, device: torch.device, precision: Precision) -> Upscale:
        def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            return images

        return upscale


UPSCALER = NoUpscaler()

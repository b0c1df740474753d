"""SeeSR: a diffusion model that sees what is in a patch (tags, image tokens) and paints its details.

Wu et al. 2024, «SeeSR: Towards Semantics-Aware Real-World Image Super-Resolution». A port of the official
code (github.com/cswry/SeeSR, commit 8edecc7, Apache-2.0) to current diffusers, timm and transformers: same
weights, same pictures.
"""

from pathlib import Path
from typing import ClassVar

import torch

from srscene.device import DTYPES, Precision
from srscene.sr.seesr.options import SeeSROptions
from srscene.sr.upscaler import Card, Upscale, Upscaler
from srscene.store import PatchStore


class SeeSR(Upscaler[SeeSROptions]):
    gpu_precision: ClassVar[Precision] = "bf16"
    options = SeeSROptions

    def prepare(self, options: SeeSROptions, patches: PatchStore, seed: int, folder: Path) -> Card:
        from srscene.sr.seesr import weights  # imports diffusers and transformers: seconds

        return weights.prepare(options.weights, options.turbo, folder)

    def load(
        self, options: SeeSROptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        from srscene.sr.seesr import models
        from srscene.sr.seesr.restorer import Restorer

        return Restorer(options, models.load(folder, device, DTYPES[precision]), device)


UPSCALER = SeeSR()

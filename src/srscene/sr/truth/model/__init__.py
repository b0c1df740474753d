"""The true high-resolution image, where the store holds it: nothing is computed."""

from collections.abc import Sequence
from pathlib import Path

import torch

from srscene.core.console import BadInput
from srscene.core.device import Precision
from srscene.core.store import Image, PatchStore
from srscene.sr.common.upscaler import Upscale, Upscaler
from srscene.sr.truth.options import UpscaleOptions


class Truth(Upscaler[UpscaleOptions]):
    cpu_batch = 8
    of_any_image = False

    def images(self, patches: PatchStore, indices: Sequence[int]) -> Image:
        if not patches.has_reference:
            raise BadInput(
                f"{patches.folder}: holds no true images at 2.5 m, which sr: truth needs; only dataset: "
                "synthetic knows them, so choose it, or another sr"
            )
        return patches.references(indices)

    def load(
        self, options: UpscaleOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            return images

        return upscale


UPSCALER = Truth()
"""The ceiling: what an upscaler without any error would show."""

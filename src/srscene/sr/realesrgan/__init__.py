"""Real-ESRGAN: BasicSR's RRDBNet, trained by its authors on degraded photographs.

Wang et al. 2021, «Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data».
"""

from pathlib import Path
from typing import ClassVar

import torch

from srscene.device import Precision
from srscene.sr import checkpoints
from srscene.sr.download import Remote
from srscene.sr.network import as_upscale
from srscene.sr.realesrgan import package
from srscene.sr.realesrgan.network import build
from srscene.sr.upscaler import Card, Upscale, Upscaler, UpscalerOptions
from srscene.store import PatchStore

OFFICIAL = {
    "official": Remote(
        "RealESRGAN_x4plus.pth",
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        ("https://github.com/xinntao/Real-ESRGAN/releases/download/v0.1.0/RealESRGAN_x4plus.pth",),
        "BSD-3-Clause",
        "https://github.com/xinntao/Real-ESRGAN/releases/tag/v0.1.0",
    )
}


class RealESRGANOptions(UpscalerOptions):
    weights: str = "package"
    """package | official | path of an RRDBNet ×4 checkpoint."""


class RealESRGAN(Upscaler[RealESRGANOptions]):
    gpu_precision: ClassVar[Precision] = "fp16"
    options = RealESRGANOptions

    def prepare(self, options: RealESRGANOptions, patches: PatchStore, seed: int, folder: Path) -> Card:
        if options.weights == "package":
            state, card = package.read()
            path = package.file()
        else:
            path, card = checkpoints.find(options.weights, OFFICIAL, "package")
            state = checkpoints.read(path)
        build(state, path)
        return card | {"parameters": checkpoints.save(state, folder)}

    def load(
        self, options: RealESRGANOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        path = checkpoints.weights_file(folder)
        return as_upscale(build(checkpoints.read(path), path), device, precision)


UPSCALER = RealESRGAN()

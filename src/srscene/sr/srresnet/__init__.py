"""SRResNet: BasicSR's MSRResNet, 16 residual blocks without batch normalisation over a bilinear base.

Ledig et al. 2017, «Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network».
"""

from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field

from srscene.device import Precision
from srscene.sr import checkpoints
from srscene.sr.download import Remote
from srscene.sr.fit import FitOptions, fit
from srscene.sr.network import as_upscale
from srscene.sr.srresnet.network import build, new, renamed
from srscene.sr.upscaler import Card, Upscale, Upscaler, UpscalerOptions
from srscene.store import PatchStore

OFFICIAL = {
    "official": Remote(
        "msrresnet_x4c64b16_1x16_300k_div2k_20200521-61556be5.pth",
        "61556be5",  # all that its publisher gives: the first digits, in the file's name
        (
            "https://download.openmmlab.com/mmediting/restorers/srresnet_srgan/"
            "msrresnet_x4c64b16_1x16_300k_div2k_20200521-61556be5.pth",
        ),
        "Apache-2.0",
        "https://github.com/open-mmlab/mmagic/tree/main/configs/srgan_resnet",
    ),
}


class SRResNetFit(FitOptions):
    features: int = Field(default=32, gt=0)
    """Channels of the network that is fitted; 64 in the paper."""
    blocks: int = Field(default=16, gt=0)
    """Its residual blocks; 16 in the paper."""


class SRResNetOptions(UpscalerOptions):
    weights: str = "fit"
    """fit | official | path of an MSRResNet ×4 checkpoint of BasicSR, OpenMMLab or KAIR."""
    fit: SRResNetFit = SRResNetFit()


class SRResNet(Upscaler[SRResNetOptions]):
    gpu_precision: ClassVar[Precision] = "fp16"
    options = SRResNetOptions

    def prepare(self, options: SRResNetOptions, patches: PatchStore, seed: int, folder: Path) -> Card:
        if options.weights == "fit":
            torch.manual_seed(seed)
            network = new(options.fit.features, options.fit.blocks)
            card = fit(network, patches, options.fit, seed, options.precision)
            state = network.state_dict()
        else:
            path, card = checkpoints.find(options.weights, OFFICIAL, "fit")
            state = renamed(checkpoints.read(path))
            build(state, path)
        return card | {"parameters": checkpoints.save(state, folder)}

    def load(
        self, options: SRResNetOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        path = checkpoints.weights_file(folder)
        return as_upscale(build(checkpoints.read(path), path), device, precision)


UPSCALER = SRResNet()

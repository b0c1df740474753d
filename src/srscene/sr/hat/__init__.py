"""HAT, the Hybrid Attention Transformer, in the sizes of its authors' checkpoints.

Chen et al. 2023, «Activating More Pixels in Image Super-Resolution Transformer».
"""

from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field

from srscene.device import Precision
from srscene.sr import checkpoints
from srscene.sr.download import Remote
from srscene.sr.fit import FitOptions, fit
from srscene.sr.hat.attention import restructure
from srscene.sr.hat.network import build, new
from srscene.sr.network import as_upscale
from srscene.sr.upscaler import Card, Upscale, Upscaler, UpscalerOptions
from srscene.store import PatchStore

MIRROR = (
    "https://huggingface.co/jaideepsingh/upscale_models/resolve/867e7c0ad519aba5d36b5bb4ef4a4a91781914c4/HAT"
)
"""The authors publish on Google Drive, which has no stable address to download from. The hashes are those
that independent records of the authors' files agree on."""
PAGE = "https://github.com/XPixelGroup/HAT (its Google Drive)"


def _remote(file: str, sha256: str) -> Remote:
    return Remote(file, sha256, (f"{MIRROR}/{file}",), "Apache-2.0", PAGE)


OFFICIAL = {
    "official": _remote(
        "HAT_SRx4_ImageNet-pretrain.pth", "4ee053c42461187846dc0e93aa5abd34591c0725a8e044a59000e92ee215e833"
    ),
    "official-s": _remote(
        "HAT-S_SRx4.pth", "a92f81bd2c0c1aaa371a6e4d6cac69e749fde2e36196885ee47a4a3667542c9a"
    ),
    "official-l": _remote(
        "HAT-L_SRx4_ImageNet-pretrain.pth", "5992bd38522f2b8faf11ea4bd8ee08de92465bb66892166576999afc36d60043"
    ),
}


class HATFit(FitOptions):
    features: int = Field(default=48, multiple_of=6)
    """Channels of the network that is fitted; 180 in the paper."""
    groups: int = Field(default=2, gt=0)
    """Its residual hybrid attention groups; 6 in the paper, 12 in HAT-L."""
    blocks: int = Field(default=2, gt=0)
    """Hybrid attention blocks in each group; 6 in the paper."""
    window: int = Field(default=8, ge=4, multiple_of=2)
    """Side of an attention window in input pixels; 16 in the paper."""


class HATOptions(UpscalerOptions):
    weights: str = "official"
    """official | official-s | official-l | fit | path of a HAT checkpoint."""
    fit: HATFit = HATFit()


class HAT(Upscaler[HATOptions]):
    gpu_precision: ClassVar[Precision] = "bf16"
    options = HATOptions

    def prepare(self, options: HATOptions, patches: PatchStore, seed: int, folder: Path) -> Card:
        if options.weights == "fit":
            torch.manual_seed(seed)
            size = options.fit
            network = new(size.features, size.groups, size.blocks, size.window)
            card = fit(network, patches, options.fit, seed, options.precision)
            state = network.state_dict()
        else:
            path, card = checkpoints.find(options.weights, OFFICIAL, "fit")
            state = checkpoints.read(path)
            build(state, path)
        return card | {"parameters": checkpoints.save(state, folder)}

    def load(self, options: HATOptions, folder: Path, device: torch.device, precision: Precision) -> Upscale:
        path = checkpoints.weights_file(folder)
        network = restructure(build(checkpoints.read(path), path))
        return as_upscale(network, device, precision)


UPSCALER = HAT()

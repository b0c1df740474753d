"""The architecture that spandrel recognises by its weights."""

from pathlib import Path

import torch

from srscene.core.device import Precision
from srscene.sr.common.checkpoints import read, weights_file
from srscene.sr.common.network_upscaler import NetworkUpscaler, Options, as_upscale
from srscene.sr.common.upscaler import Upscale
from srscene.sr.spandrel.model.network import build


class Spandrel(NetworkUpscaler):
    def load(self, options: Options, folder: Path, device: torch.device, precision: Precision) -> Upscale:
        file = weights_file(folder)
        network = build(read(file), file)
        network.check_bears(precision)
        return as_upscale(network, device, precision)


UPSCALER = Spandrel(build)

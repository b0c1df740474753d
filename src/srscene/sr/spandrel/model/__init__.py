"""The architecture that spandrel recognises by its weights."""

from torch import nn

from srscene.core.precision import Precision
from srscene.sr.common.network_upscaler import NetworkUpscaler
from srscene.sr.spandrel.model.network import Padded, build


class Spandrel(NetworkUpscaler):
    def check_precision(self, network: nn.Module, precision: Precision) -> None:
        assert isinstance(network, Padded)  # as `build` makes it
        network.check_precision(precision)


UPSCALER = Spandrel(build)

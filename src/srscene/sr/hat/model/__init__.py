"""HAT at the size of its weights, its attention restructured for speed."""

from pathlib import Path

from torch import nn

from srscene.sr.common.checkpoints import State
from srscene.sr.common.network_upscaler import NetworkUpscaler
from srscene.sr.common.upscaler import Seams
from srscene.sr.hat.model.attention import restructure
from srscene.sr.hat.model.network import build


def build_fast(state: State, file: Path) -> nn.Module:
    """Return the network with these weights, for inference; raises BadInput as `build` does."""
    return restructure(build(state, file))


SEAMS = Seams(16, 96, blended=True)
"""Windows of 128 pixels, a multiple of HAT's own."""
UPSCALER = NetworkUpscaler(build_fast, gpu_precision="bf16", cpu_batch=2, seams=SEAMS)

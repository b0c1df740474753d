"""BasicSR's RRDBNet and Real-ESRGAN's fast SRVGGNetCompact, as large as their checkpoints say."""

import re
from pathlib import Path

from torch import nn

from srscene.runtime.console import BadInput
from srscene.sr.common.basicsr_shim import RRDBNet, SRVGGNetCompact
from srscene.sr.common.checkpoints import State, load_strictly

SCALE = 4
BY_LAYER = {"body.0.rdb1.conv1.weight": RRDBNet, "body.1.weight": SRVGGNetCompact}
"""A layer that only one of the networks has, and that network."""


def build(state: State, file: Path) -> nn.Module:
    """Return the ×4 network with these weights; raises BadInput when they are neither network's."""
    kinds = [kind for layer, kind in BY_LAYER.items() if layer in state]
    if not kinds:
        expected = " or ".join(f"{layer} ({kind.__name__})" for layer, kind in BY_LAYER.items())
        raise BadInput(f"{file}: not Real-ESRGAN's: expected {expected}, found {', '.join(list(state)[:3])}…")
    network = _rrdbnet(state, file) if kinds[0] is RRDBNet else _compact(state)
    load_strictly(network, state, file)
    return network


def _rrdbnet(state: State, file: Path) -> RRDBNet:
    if "conv_first.weight" not in state:
        raise BadInput(f"{file}: RRDBNet without conv_first.weight; is the file whole?")
    blocks = {match[1] for name in state if (match := re.match(r"body\.(\d+)\.", name))}
    return RRDBNet(
        num_in_ch=3,
        num_out_ch=3,
        scale=SCALE,
        num_feat=state["conv_first.weight"].shape[0],
        num_block=len(blocks),
        num_grow_ch=state["body.0.rdb1.conv1.weight"].shape[0],
    )


def _compact(state: State) -> SRVGGNetCompact:
    """Each convolution but the last, which makes SCALE² pixels of a pixel, has PReLU's slopes behind it."""
    layers = sum(name.endswith(".bias") for name in state)
    return SRVGGNetCompact(num_feat=state["body.1.weight"].shape[0], num_conv=layers - 2, upscale=SCALE)

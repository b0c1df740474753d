"""BasicSR's MSRResNet, as large as its checkpoint says, and the names that others give to its layers."""

import re
from pathlib import Path

import torch
from torch import nn

from srscene.runtime.console import BadInput
from srscene.sr.common.basicsr_shim import MSRResNet
from srscene.sr.common.checkpoints import State, load_strictly

RENAMED = (
    (r"^generator\.", ""),  # OpenMMLab
    (r"^recon_trunk\.", "body."),  # KAIR
    (r"^HRconv\.", "conv_hr."),  # KAIR
)
NOT_LEARNED = ("generator_ema.", "discriminator.", "perceptual_loss.", "step_counter", "data_preprocessor.")
"""What OpenMMLab stores beside the generator."""


def renamed(state: State) -> State:
    """Return the weights under BasicSR's names, whichever of the three projects they come from."""
    result = {}
    for name, value in state.items():
        if not name.startswith(NOT_LEARNED):
            for pattern, replacement in RENAMED:
                name = re.sub(pattern, replacement, name)
            result[name] = value
    return result


def build(state: State, file: Path) -> MSRResNet:
    """Return the ×4 network with these weights; raises BadInput when they are not an MSRResNet's."""
    if "conv_first.weight" not in state or "body.0.conv1.weight" not in state:
        found = ", ".join(list(state)[:3])
        raise BadInput(f"{file}: no MSRResNet: expected body.0.conv1.weight, found {found}…")
    blocks = {match[1] for name in state if (match := re.match(r"body\.(\d+)\.", name))}
    network = MSRResNet(num_feat=state["conv_first.weight"].shape[0], num_block=len(blocks), upscale=4)
    load_strictly(network, state, file)
    return network


def new(features: int, blocks: int) -> MSRResNet:
    """Return an untrained ×4 network that starts as bilinear interpolation, its last layer being zero.

    BasicSR starts every convolution at a tenth of Kaiming's scale. That calms the residual blocks, but over
    the plain layers around them it leaves so little signal that a fit of a few hundred steps learns nothing.
    """
    network = MSRResNet(num_feat=features, num_block=blocks, upscale=4)
    with torch.no_grad():
        for layer in (network.conv_first, network.upconv1, network.upconv2, network.conv_hr):
            layer.weight.mul_(10)
    nn.init.zeros_(network.conv_last.weight)
    return network

"""UNet, ControlNet, VAE and text encoder of SeeSR on the classes of diffusers and transformers.

Built from the official config.json files without allocating weights (accelerate's `init_empty_weights`).
"""

from collections.abc import Mapping
from typing import Any

from accelerate import init_empty_weights
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from srscene.sr.seesr.model.attention import TextThenImage

Config = Mapping[str, Any]
FLAG = "use_image_cross_attention"
"""SeeSR's own key in the config.json of UNet and ControlNet."""


def unet(config: Config) -> nn.Module:
    return _with_image_attention(UNet2DConditionModel, config)


def controlnet(config: Config) -> nn.Module:
    return _with_image_attention(ControlNetModel, config)


def vae(config: Config) -> nn.Module:
    with init_empty_weights(include_buffers=False):
        network: nn.Module = AutoencoderKL.from_config(dict(config))
    return network


def text_encoder(config: Config) -> nn.Module:
    with init_empty_weights(include_buffers=False):
        return CLIPTextModel(CLIPTextConfig.from_dict(dict(config)))


def _with_image_attention(network: Any, config: Config) -> Any:
    with init_empty_weights(include_buffers=False):
        model = network.from_config({key: value for key, value in config.items() if key != FLAG})
        for block in _blocks(model):
            block.attentions = nn.ModuleList(TextThenImage(text) for text in block.attentions)
    return model


def _blocks(model: Any) -> list[Any]:
    blocks = [*model.down_blocks, model.mid_block, *getattr(model, "up_blocks", [])]
    return [block for block in blocks if getattr(block, "has_cross_attention", False)]

"""UNet, ControlNet, VAE and text encoder of SeeSR on the classes of diffusers and transformers.

Built from the official config.json files without allocating weights (accelerate's `init_empty_weights`).
"""

import re
from collections.abc import Mapping
from typing import Any

from accelerate import init_empty_weights
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from srscene.sr.seesr.attention import TextThenImage

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


def official_name(name: str) -> str:
    """Return the official key of a tensor of our UNet or ControlNet.

    `….attentions.1.text.norm.weight` is `….attentions.1.norm.weight` there, and
    `….attentions.1.image.norm.weight` is `….image_attentions.1.norm.weight`.
    """
    name = re.sub(r"\.attentions\.(\d+)\.image\.", r".image_attentions.\1.", name)
    return re.sub(r"\.attentions\.(\d+)\.text\.", r".attentions.\1.", name)


def official_text_name(name: str) -> str:
    """Return the official key of a tensor of our text encoder."""
    return f"text_model.{name}"


OLD_VAE_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_vae_name(name: str) -> str:
    """Return the key of a VAE's tensor in files written before diffusers renamed its attention (0.16)."""
    return re.sub(
        r"(mid_block\.attentions\.0)\.(to_q|to_k|to_v|to_out\.0)\.",
        lambda found: f"{found[1]}.{OLD_VAE_NAMES[found[2]]}.",
        name,
    )

"""The five networks, the tokenizer and the scheduler's settings, as `models/upscaler/` holds them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import CLIPTokenizer

from srscene.sr.common import checkpoints
from srscene.sr.seesr.model import loading, networks, tagger

CONFIGS = "configs.json"
"""The official settings of each network and the scheduler, RAM's sizes, and `turbo`."""
TOKENIZER = "tokenizer"
NETWORKS: dict[str, Callable[[networks.Config], nn.Module]] = {
    "unet": networks.unet,
    "controlnet": networks.controlnet,
    "vae": networks.vae,
    "text_encoder": networks.text_encoder,
    "tagger": lambda config: tagger.build(tagger.Geometry(**config)),
}
DENOISERS = ("unet", "controlnet")
"""What runs at every step, in the precision chosen; the others run once a patch, in fp32."""


@dataclass
class Models:
    unet: Any
    controlnet: Any
    vae: Any
    text_encoder: Any
    tagger: Any
    tokenizer: Any
    scheduler: networks.Config

    def __post_init__(self) -> None:
        """Take ControlNet's view of the condition out of it: it is the same at every step.

        The VAE takes one picture after the other: one keeps a GPU busy, and a batch needs no more memory.
        """
        self.vae.enable_slicing()
        self.embedding = self.controlnet.controlnet_cond_embedding
        self.controlnet.controlnet_cond_embedding = nn.Identity()


def read_configs(folder: Path) -> dict[str, Any]:
    """Return the settings of `NETWORKS` by name, `scheduler`'s, and whether `turbo` is set."""
    configs: dict[str, Any] = json.loads((folder / CONFIGS).read_text())
    return configs


def load(folder: Path, configs: dict[str, Any], device: torch.device, dtype: torch.dtype) -> Models:
    """Read the weights for these `configs`; UNet and ControlNet become `dtype`, the others fp32.

    Raises BadInput where a tensor is missing, unexpected or of another shape.
    """
    file = checkpoints.weights_file(folder)
    tensors = checkpoints.read(file)
    filled: dict[str, Any] = {}
    for name, build in NETWORKS.items():
        network = build(configs[name])
        matched = loading.match(loading.shapes(network), part(tensors, name), file)
        filled[name] = loading.fill(network, matched, device, dtype if name in DENOISERS else torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(folder / TOKENIZER)
    return Models(**filled, tokenizer=tokenizer, scheduler=configs["scheduler"])


def part(tensors: loading.Tensors, network: str) -> loading.Tensors:
    """Return the tensors of one network out of those of weights.safetensors."""
    prefix = f"{network}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

"""The official code's tiny networks and what it made of them (tests/data/seesr)."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from srscene.sr.seesr.checkpoint import names
from srscene.sr.seesr.model import loading, networks

DATA = Path(__file__).parents[2] / "data" / "seesr"
CPU = torch.device("cpu")
ROUNDING = 2e-5
"""How far a run in fp32 may be from the official one, as a share of the largest number (docs/seesr.md)."""
RECORDED_ROUNDING = 3e-6
"""How far the official run, which was fp32, is from ours in fp64: 2.6e-6, and the same on any CPU."""


def config(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return content


def weights(name: str) -> dict[str, torch.Tensor]:
    """The tensors of one network, from the parts that its file was cut into."""
    parts = sorted(DATA.glob(f"{name}-*of*.safetensors")) or [DATA / f"{name}.safetensors"]
    return {key: tensor for part in parts for key, tensor in load_file(part).items()}


def recorded(name: str, run: str) -> dict[str, torch.Tensor]:
    """What was recorded of one case or run, without the prefix."""
    prefix = f"{run}."
    return {
        key.removeprefix(prefix): tensor
        for key, tensor in load_file(DATA / f"{name}_io.safetensors").items()
        if key.startswith(prefix)
    }


def network(name: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """UNet, ControlNet or VAE with the official weights."""
    build, official = {
        "unet": (networks.unet, names.official_name),
        "controlnet": (networks.controlnet, names.official_name),
        "vae": (networks.vae, str),
    }[name]
    empty = build(config(f"{name}_config"))
    return loading.fill(
        empty, loading.match(loading.shapes(empty), weights(name), DATA / name, official), CPU, dtype
    )


def assert_close(found: torch.Tensor, expected: torch.Tensor, share: float) -> None:
    """No number is further off than this share of the largest."""
    atol = share * expected.abs().max().item()
    torch.testing.assert_close(found, expected.to(found.dtype), atol=atol, rtol=0)


def assert_colours_follow(
    image: torch.Tensor, fixed: torch.Tensor, data: dict[str, torch.Tensor], how: str
) -> None:
    """Pictures (H, W, 3) uint8: where the image is the recorded one, its fixed colours are too, save a level.

    A pixel of the image that is one level off moves the statistics of all. What becomes of itself is for
    colour.fix to say, which is the official one to the bit: adain may stretch its level to two.
    """
    difference = (fixed.int() - data[f"out.{how}_uint8"].int()).abs()
    assert difference[image == data["out.image_uint8"]].max() <= 1
    assert difference.float().mean() < 1e-3


def picture(pixels: torch.Tensor) -> torch.Tensor:
    """(H, W, 3) -> (1, 3, H, W)"""
    return pixels.permute(2, 0, 1)[None]

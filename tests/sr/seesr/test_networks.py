"""UNet and ControlNet: the official outputs on tiny weights, the official names and sizes at full size."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn

from benchmarks.seesr import STABLE_DIFFUSION
from srscene.sr.seesr.checkpoint import names
from srscene.sr.seesr.model import networks
from tests.sr.seesr import official_run
from tests.sr.seesr.official import RECORDED_ROUNDING, assert_close, config, network, recorded

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def unet() -> nn.Module:
    return network("unet")


@pytest.fixture(scope="module")
def controlnet() -> nn.Module:
    return network("controlnet")


@pytest.mark.parametrize("case", official_run.CASES)
@torch.inference_mode()
def test_outputs_are_the_official_ones(unet: nn.Module, controlnet: nn.Module, case: str) -> None:
    found = official_run.case({"unet": unet, "controlnet": controlnet}, case)
    data = recorded("unet_controlnet", case)
    assert {f"out.{name}" for name in found} == {name for name in data if name.startswith("out.")}
    for name, output in found.items():
        torch.testing.assert_close(output, data[f"out.{name}"], atol=TOLERANCE, rtol=0)
    assert (found["unet"] - found["unet_no_control"]).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize("case", official_run.CASES)
@torch.inference_mode()
def test_in_fp64_only_the_rounding_of_the_official_run_is_left(
    networks_fp64: official_run.Networks, case: str
) -> None:
    data = recorded("unet_controlnet", case)
    for name, output in official_run.case(networks_fp64, case, torch.float64).items():
        assert output.dtype == torch.float64
        assert_close(output, data[f"out.{name}"], RECORDED_ROUNDING)


@torch.inference_mode()
def test_image_tokens_count(unet: nn.Module) -> None:
    data = recorded("unet_controlnet", "case1")
    text, image = data["encoder_hidden_states"], data["image_encoder_hidden_states"]
    outputs = [unet(data["sample"], data["timestep"], (text, tokens)).sample for tokens in (image, image * 0)]
    assert (outputs[0] - outputs[1]).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("build", "stock", "tensors", "parameters", "image_tensors", "image_parameters"),
    [
        (networks.unet, UNet2DConditionModel, 1102, 1_126_760_324, 416, 260_849_600),
        (networks.controlnet, ControlNetModel, 522, 489_031_440, 182, 124_803_200),
    ],
)
def test_full_size(
    build: Any, stock: Any, tensors: int, parameters: int, image_tensors: int, image_parameters: int
) -> None:
    """Without memory: the sizes of the official checkpoint, and every official name exactly once."""
    full = build({"_class_name": stock.__name__, **STABLE_DIFFUSION})
    shapes = {names.official_name(name): tensor for name, tensor in full.state_dict().items()}
    assert all(tensor.is_meta for tensor in shapes.values())
    assert len(shapes) == len(full.state_dict()) == tensors
    assert sum(tensor.numel() for tensor in shapes.values()) == parameters

    image = {name for name in shapes if ".image_attentions." in name}
    assert len(image) == image_tensors
    assert sum(shapes[name].numel() for name in image) == image_parameters
    assert image == set(_image_names(decoder=stock is UNet2DConditionModel))

    with torch.device("meta"):
        original = stock(**{k: v for k, v in STABLE_DIFFUSION.items() if k != networks.FLAG})
    assert set(shapes) - image == set(original.state_dict())


def _image_names(decoder: bool) -> Iterator[str]:
    """The official names, as the official model files spell them."""
    transformers = [
        f"down_blocks.{block}.image_attentions.{layer}" for block in range(3) for layer in range(2)
    ]
    transformers += ["mid_block.image_attentions.0"]
    if decoder:
        transformers += [
            f"up_blocks.{block}.image_attentions.{layer}" for block in (1, 2, 3) for layer in range(3)
        ]
    both = ("weight", "bias")
    for transformer in transformers:
        yield from (
            f"{transformer}.{part}.{kind}" for part in ("norm", "proj_in", "proj_out") for kind in both
        )
        block = f"{transformer}.transformer_blocks.0"
        for part in ("norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2"):
            yield from (f"{block}.{part}.{kind}" for kind in both)
        for attention in ("attn1", "attn2"):
            yield from (f"{block}.{attention}.to_{part}.weight" for part in "qkv")
            yield from (f"{block}.{attention}.to_out.0.{kind}" for kind in both)


def test_old_vae_names() -> None:
    """Files written before diffusers 0.16 call the attention of the VAE otherwise."""
    current = networks.vae(config("vae_config")).state_dict()
    old = {names.old_vae_name(name) for name in current}
    for part in ("query", "key", "value", "proj_attn"):
        assert f"encoder.mid_block.attentions.0.{part}.weight" in old
    assert len(old) == len(current)
    assert not any(".to_" in name for name in old)

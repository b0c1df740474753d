"""The official code's outputs, in the official code's precision and in ours."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import avg_pool2d

from srscene.raw.examples import unpack
from srscene.sr.common import checkpoints
from srscene.sr.common.basicsr_shim import RRDBNet, SRVGGNetCompact
from srscene.sr.common.network_upscaler import as_upscale
from srscene.sr.common.tensors import from_unit_range
from srscene.sr.common.upscaler import Upscale
from srscene.sr.hat.model.attention import restructure
from srscene.sr.hat.model.network import build as build_hat
from srscene.sr.realesrgan import package
from srscene.sr.realesrgan.model import UPSCALER as REALESRGAN
from srscene.sr.realesrgan.model.network import build as build_realesrgan
from srscene.sr.srresnet.model.network import build as build_srresnet
from tests.sr.sr_data import DATA, SHARED, upscale_options, weights

BUILD = {
    "msrresnet": build_srresnet,
    "rrdbnet": build_realesrgan,
    "hat_w16": build_hat,
    "hat_w16 restructured": lambda state, file: restructure(build_hat(state, file)),
    "hat_w8": build_hat,
    "hat_w8 restructured": lambda state, file: restructure(build_hat(state, file)),
}
BF16_LEVELS = {"msrresnet": 2, "rrdbnet": 8, "hat_w16 restructured": 3}
"""Largest difference of bf16 from fp32 in 8-bit levels. Bounds; measured on the fixtures: 2, 5, 3."""


def load(case: str) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    model = case.split()[0]
    folder = DATA if (DATA / f"{model}.io.safetensors").exists() else SHARED
    if not (folder / f"{model}.io.safetensors").exists():
        pytest.skip(f"{model} is not among the copied fixtures")
    network = BUILD[case](weights(model, folder), Path(model))
    return network.eval(), load_file(folder / f"{model}.io.safetensors")


def largest(difference: torch.Tensor) -> float:
    return float(difference.abs().max())


@pytest.mark.parametrize("case", BUILD)
@torch.inference_mode()
def test_official_numbers(case: str) -> None:
    network, io = load(case)
    assert largest(network(io["in_small_u8"] / 255) - io["out_small_f32"]) <= 1e-5
    output = network(io["in_120_u8"] / 255)
    assert largest(output[:, :, ::5, ::5] - io["out_120_s5_f32"]) <= 1e-5
    assert largest(avg_pool2d(output, 8) - io["out_120_blockmean8_f32"]) <= 1e-5


@pytest.mark.parametrize("case", ["msrresnet", "rrdbnet", "hat_w16 restructured"])
def test_official_bytes(case: str) -> None:
    network, io = load(case)
    upscale = as_upscale(network, torch.device("cpu"), "fp32")
    output = upscale(io["in_small_u8"].permute(0, 2, 3, 1), ["a"])
    difference = output.int() - from_unit_range(io["out_small_f32"]).int()
    assert largest(difference) <= 1
    assert (difference != 0).float().mean() < 1e-3


@pytest.mark.parametrize("case", BF16_LEVELS)
def test_bf16_costs_few_levels(case: str) -> None:
    network, io = load(case)
    images = io["in_small_u8"].permute(0, 2, 3, 1)
    exact, rounded = levels(network, images)
    assert 0 < largest(exact - rounded) <= BF16_LEVELS[case]


def test_bf16_costs_few_levels_with_real_weights_on_a_real_patch(tmp_path: Path) -> None:
    state, _ = package.read()
    crop = real_patch(tmp_path / "raw")[None, 40:88, 40:88]
    exact, rounded = levels(build_realesrgan(state, package.file()), crop)
    assert 0 < largest(exact - rounded) <= 8
    assert float((exact - rounded).abs().mean()) < 0.7


@pytest.mark.parametrize("source", package.MODELS)
def test_the_official_real_esrganer_gives_the_same_bytes(source: str, tmp_path: Path) -> None:
    """Real weights, a real patch; BGR in and out, no tiles, no padding."""
    from realesrgan.utils import RealESRGANer

    state, _ = package.read(source)
    torch.save({"params": state}, tmp_path / "net.pth")
    network = RRDBNet(3, 3) if source == "package" else SRVGGNetCompact(num_conv=16)
    official = RealESRGANer(4, str(tmp_path / "net.pth"), model=network, tile=0, pre_pad=0, half=False)
    crop = real_patch(tmp_path / "raw")[30:70, 50:98]
    expected, _ = official.enhance(np.ascontiguousarray(crop.numpy()[..., ::-1]))

    checkpoints.save(state, tmp_path)
    upscale = REALESRGAN.load(upscale_options("realesrgan"), tmp_path, official.device, "fp32")
    output = upscale(crop[None].to(official.device), ["a"])[0].cpu().numpy()
    assert output.shape == (160, 192, 3)
    difference = np.abs(output.astype(int) - expected[..., ::-1])
    assert difference.max() <= 1
    assert (difference != 0).mean() < 1e-3


def levels(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    cpu = torch.device("cpu")
    exact = as_upscale(network, cpu, "fp32")(images, ["a"])
    upscale: Upscale = as_upscale(network, cpu, "bf16")
    return exact.int().float(), upscale(images, ["a"]).int().float()


def real_patch(folder: Path) -> torch.Tensor:
    """One of the real Sentinel-2 patches that an installed wheel holds, (120, 120, 3) uint8."""
    name = unpack(folder)["train"][0]
    bands = []
    for band in ("B04", "B03", "B02"):
        with rasterio.open(folder / f"BigEarthNet-v1.0/{name}/{name}_{band}.tif") as file:
            bands.append(np.clip(file.read(1) / 2000 * 255, 0, 255).astype(np.uint8))
    return torch.from_numpy(np.stack(bands, -1))

"""python -m benchmarks.upscaling [--quick]: each network the official way, and as srscene runs it.

The official way is what the test scripts of BasicSR, Real-ESRGAN, HAT do: fp32, eager, one image at a time.
Both have the same weights (Real-ESRGAN's own, random ones of the published size for the others) and go from
bytes to bytes. `--quick` takes 48×48 instead of 120×120 pixels.
"""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.common import Row, compare, rates, show
from srscene.device import pick_device, pick_precision
from srscene.sr import checkpoints
from srscene.sr.basicsr_shim import MSRResNet, RRDBNet
from srscene.sr.hat.network import new as new_hat
from srscene.sr.realesrgan import package
from srscene.sr.upscaler import Upscale, find

GIGA_MACS = {"srresnet": 36.5, "realesrgan": 258.0, "hat": 415.0}
"""Multiply-adds, in 10⁹, that a 120×120 patch costs in the published network."""
PEAK_TERAFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}
"""NVIDIA's figures for dense bf16 or fp16 on tensor cores."""


def run(quick: bool) -> list[Row]:
    """Measure patches/s of both ways, alternating, and on a GPU that is listed the share of its peak."""
    side, rounds = (48, 1) if quick else (120, 3)
    rows = []
    for name in GIGA_MACS:
        rows += measure(name, side, rounds)
    return rows


def measure(name: str, side: int, rounds: int) -> list[Row]:
    device = pick_device()
    upscaler = find(name)
    precision = pick_precision("auto", device, upscaler.gpu_precision)
    batch = 16 if device.type == "cuda" else 2
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8))
    network = published(name)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.save(network.state_dict(), Path(folder))
        ours = upscaler.load(upscaler.options(), Path(folder), device, precision)
    cases: dict[str, Callable[[], object]] = {
        f"{name}, official: fp32, batches of 1": partial(
            one_by_one, network.eval().to(device), images, device
        ),
        f"{name}, srscene: {precision}, batches of {batch}": partial(together, ours, images, device),
    }
    official, mine = cases
    rows = rates("upscaling", "patch", batch, compare(cases, rounds), official)
    peak = next(
        (peak for gpu, peak in PEAK_TERAFLOPS.items() if device.type == "cuda" and gpu in gpu_name()), None
    )
    if peak and side == 120:
        teraflops = 2 * GIGA_MACS[name] * rows[1].value / 1000
        rows.append(Row("upscaling", f"{mine}, share of the peak", 100 * teraflops / peak, "%"))
    return rows


def published(name: str) -> nn.Module:
    """Return the official network of the published size."""
    torch.manual_seed(0)
    if name == "srresnet":
        return MSRResNet()
    if name == "hat":
        return new_hat(features=180, groups=6, blocks=6, window=16)
    network = RRDBNet(3, 3)
    network.load_state_dict(package.read()[0])
    return network


@torch.inference_mode()
def one_by_one(network: nn.Module, images: torch.Tensor, device: torch.device) -> list[np.ndarray]:
    results = []
    for image in images:
        output = network(image.to(device).permute(2, 0, 1)[None].contiguous().float() / 255)
        output = output.squeeze(0).float().clamp_(0, 1).permute(1, 2, 0).cpu()
        results.append((output.numpy() * 255).round().astype(np.uint8))
    return results


def together(upscale: Upscale, images: torch.Tensor, device: torch.device) -> np.ndarray:
    return upscale(images.to(device), [str(number) for number in range(len(images))]).cpu().numpy()


def gpu_name() -> str:
    return torch.cuda.get_device_name()


if __name__ == "__main__":
    show(run("--quick" in sys.argv))

"""python -m benchmarks.upscaling [--quick]: each network the official way, and as srscene runs it.

The official way is what the test scripts of BasicSR and HAT do: fp32, eager, one image at a time; and for
Real-ESRGAN its RealESRGANer, one image at a time, in fp16 on a GPU as its script does. Both have the same
weights (Real-ESRGAN's own, random ones of the published size for the others) and go from bytes to bytes.
`--quick` takes 48×48 instead of 120×120 pixels.

*Store to store* is the whole stage: weights loaded, patches read, upscaled, fetched, encoded and written; its
ratio is against the network alone in srscene, so that 0.85 means that all else costs 15 %.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.common import Row, compare, rates, show
from srscene.core.device import pick_device, pick_precision
from srscene.core.machine import Machine
from srscene.core.shard_writer import ShardWriter
from srscene.core.store import Patch, PatchStore, shard_path
from srscene.sr.common import checkpoints
from srscene.sr.common.basicsr_shim import MSRResNet, RRDBNet, SRVGGNetCompact
from srscene.sr.common.names import options_of
from srscene.sr.common.upscaler import Upscale, find
from srscene.sr.hat.model.network import new as new_hat
from srscene.sr.realesrgan import package
from srscene.sr.run import upscale_store

from realesrgan.utils import RealESRGANer  # isort: skip # behind the shim that it needs

PEAK_TERAFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}
"""NVIDIA's figures for dense bf16 or fp16 on tensor cores."""

SECONDS = 4.0
"""Of the network's own work in what goes from store to store."""

Enlarge = Callable[[np.ndarray], np.ndarray]
"""One image, (H, W, 3) uint8 RGB -> (4H, 4W, 3)."""


class Case(NamedTuple):
    """A published network: upscaler, multiply-adds in 10⁹ for a 120×120 patch, where its weights are."""

    sr: str
    giga_macs: float
    network: Callable[[], nn.Module]
    packaged: str = ""
    """A key of `package.MODELS`; without one, weights are random."""


CASES = {
    "srresnet": Case("srresnet", 36.5, MSRResNet),
    "realesrgan": Case("realesrgan", 258.0, partial(RRDBNet, 3, 3), "package"),
    "realesrgan, fast": Case(
        "realesrgan", 8.9, partial(SRVGGNetCompact, num_conv=16), "package-animevideov3"
    ),
    "hat": Case("hat", 415.0, partial(new_hat, features=180, groups=6, blocks=6, window=16)),
}


def run(quick: bool) -> list[Row]:
    """Measure patches/s of both ways, alternating, and on a GPU that is listed the share of its peak."""
    side, rounds = (48, 1) if quick else (120, 3)
    rows = []
    for name, case in CASES.items():
        rows += measure(name, case, side, rounds)
    return rows


def measure(name: str, case: Case, side: int, rounds: int) -> list[Row]:
    device, upscaler = pick_device(), find(case.sr)
    on_gpu = device.type == "cuda"
    precision = pick_precision("auto", device, upscaler.gpu_precision)
    batch = upscaler.gpu_batch if on_gpu else upscaler.cpu_batch
    images = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
    network = published(case)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.save(network.state_dict(), Path(folder))
        ours = upscaler.load(None, Path(folder), device, precision)
        batches = max(2, round(SECONDS * speed(ours, images, device) / batch))
        whole = store_to_store(case.sr, Path(folder), batches * batch, side, batch)
    theirs = real_esrganer(network, device) if case.packaged else as_script(network, device)
    their_precision = "fp16" if case.packaged and on_gpu else "fp32"
    official = f"{name}, official: {their_precision}, batches of 1"
    mine = f"{name}, srscene: {precision}, batches of {batch}"
    cases: dict[str, Callable[[], object]] = {
        official: partial(one_by_one, theirs, images),
        mine: partial(together, ours, images, device),
    }
    rows = rates("upscaling", "patch", batch, compare(cases, rounds), official)
    rows.append(Row("upscaling", f"{mine}, store to store", whole, "patch/s", whole / rows[1].value))
    peak = next((peak for gpu, peak in PEAK_TERAFLOPS.items() if on_gpu and gpu in gpu_name()), None)
    if peak and side == 120:
        teraflops = 2 * case.giga_macs * rows[1].value / 1000
        rows.append(Row("upscaling", f"{mine}, share of the peak", 100 * teraflops / peak, "%"))
    return rows


def published(case: Case) -> nn.Module:
    """Return the official network of the published size."""
    torch.manual_seed(0)
    network = case.network()
    if case.packaged:
        network.load_state_dict(package.read(case.packaged)[0])
    return network


def as_script(network: nn.Module, device: torch.device) -> Enlarge:
    """Return what the test scripts of BasicSR and HAT do with an image."""
    network = network.eval().to(device)

    @torch.inference_mode()
    def enlarge(image: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(image).to(device).permute(2, 0, 1)[None].contiguous().float() / 255
        output = network(pixels).squeeze(0).float().clamp_(0, 1).permute(1, 2, 0).cpu()
        result: np.ndarray = (output.numpy() * 255).round().astype(np.uint8)
        return result

    return enlarge


def real_esrganer(network: nn.Module, device: torch.device) -> Enlarge:
    """Return what Real-ESRGAN's script does with an image (which it keeps as BGR)."""
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save({"params": network.state_dict()}, file.name)
        helper = RealESRGANer(
            4, file.name, model=network, pre_pad=0, half=device.type == "cuda", device=device
        )

    def enlarge(image: np.ndarray) -> np.ndarray:
        result: np.ndarray = helper.enhance(image[..., ::-1])[0][..., ::-1]
        return result

    return enlarge


def one_by_one(enlarge: Enlarge, images: np.ndarray) -> list[np.ndarray]:
    return [enlarge(image) for image in images]


def together(upscale: Upscale, images: np.ndarray, device: torch.device) -> np.ndarray:
    names = [str(number) for number in range(len(images))]
    return upscale(torch.from_numpy(images).to(device), names).cpu().numpy()


def speed(upscale: Upscale, images: np.ndarray, device: torch.device) -> float:
    """Return patches/s of the network alone, warm."""
    together(upscale, images, device)
    began = time.perf_counter()
    together(upscale, images, device)
    return len(images) / (time.perf_counter() - began)


def store_to_store(sr: str, weights: Path, count: int, side: int, batch: int) -> float:
    """Return patches/s of the whole stage on `count` smooth patches; the first run warms the caches."""
    options = options_of(sr)[1].model_validate({"precision": "auto"})
    rng = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        with ShardWriter(shard_path(Path(folder) / "patches", 0)) as writer:
            for number in range(count):
                coarse = torch.rand((1, 3, 8, 8), generator=rng) * 255
                smooth = F.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 255).byte()
                image = smooth[0].permute(1, 2, 0).numpy()
                writer.add(Patch(f"patch_{number}", "train", np.zeros(19, np.uint8), image))
        patches = PatchStore(Path(folder) / "patches")
        for run in ("warm", "timed"):
            os.environ["DVC_ROOT"] = f"{folder}/{run}"
            machine = Machine(batch_size=batch, workers="auto")
            began = time.perf_counter()
            upscale_store(sr, options, machine, patches, weights, Path(folder) / run / "upscaled")
            seconds = time.perf_counter() - began
        del os.environ["DVC_ROOT"]
    return count / seconds


def gpu_name() -> str:
    return torch.cuda.get_device_name()


if __name__ == "__main__":
    show(run("--quick" in sys.argv))

"""python -m benchmarks.upscaling [--quick]: each network the official way, and as srscene runs it.

The official way is what the test scripts of BasicSR and HAT do: fp32, eager, one image at a time; and for
Real-ESRGAN its RealESRGANer, one image at a time, in fp16 on a GPU as its script does. Both have the same
weights (Real-ESRGAN's own, random ones of the published size for the others) and go from bytes to bytes.
`--quick` takes 48×48 instead of 120×120 pixels.

*Network alone* is srscene's on patches that lie on the device, where its pictures stay. *Store to store* is
the whole stage, once its weights are loaded and a first batch is done: patches of the synthetic data set are
read, upscaled, fetched, encoded and written. Its ratio is against the network alone, so that 0.85 means that
all else costs 15 %; so is that of *torch.compile*, which is tried on a GPU alone.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from benchmarks.codec import synthetic_patches
from benchmarks.common import Row, compare, peak, rates, show, works
from srscene.core.precision import pick_precision
from srscene.core.store import Patch, PatchStore
from srscene.core.writer import write_store
from srscene.runtime.device import pick_device
from srscene.runtime.machine import Machine
from srscene.runtime.params import Section
from srscene.sr.common import checkpoints
from srscene.sr.common.basicsr_shim import MSRResNet, RRDBNet, SRVGGNetCompact
from srscene.sr.common.names import options_of
from srscene.sr.common.upscaler import Upscale, find
from srscene.sr.hat.model.network import new as new_hat
from srscene.sr.realesrgan import package
from srscene.sr.run import upscale_store

from realesrgan.utils import RealESRGANer  # isort: skip # behind the shim that it needs

SECONDS = 4.0
"""Of the network's own work in what goes from store to store."""
MOST = 4096
"""Patches in that: 2.8 GB of pictures before they are encoded."""
SCENES = 16
"""Different patches among them."""

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


def run(quick: bool) -> Iterator[Row]:
    """Yield patches/s of each network: the official way and ours, alternating, and ours in more detail."""
    side, rounds = (48, 1) if quick else (120, 10 if pick_device().type == "cuda" else 3)
    for name, case in CASES.items():
        yield from measure(name, case, side, rounds)


def measure(name: str, case: Case, side: int, rounds: int) -> Iterator[Row]:
    device, upscaler = pick_device(), find(case.sr)
    on_gpu = device.type == "cuda"
    precision = pick_precision("auto", device, upscaler.gpu_precision)
    batch = upscaler.gpu_batch if on_gpu else upscaler.cpu_batch
    images = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
    network = published(case)
    official = f"{name}, official: {'fp16' if case.packaged and on_gpu else 'fp32'}, batches of 1"
    mine = f"{name}, srscene: {precision}, batches of {batch}"
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder)
        checkpoints.save(network.state_dict(), weights)
        ours = upscaler.load(options(case.sr), weights, device, precision)
        theirs = real_esrganer(network, device) if case.packaged else as_script(network, device)
        there = torch.from_numpy(images).to(device)
        in_network = f"{mine}, network alone"
        cases: dict[str, Callable[[], object]] = {
            official: partial(one_by_one, theirs, images),
            mine: partial(together, ours, images, device),
            in_network: partial(alone, ours, there),
        }
        rows = rates("upscaling", "patch", batch, compare(cases, rounds), official)
        yield from [*rows, *shares(rows[2:], case, side)]
        rate = rows[2].value
        whole = store_to_store(case.sr, weights, min(MOST, round(SECONDS * rate)), side, batch)
        yield Row("upscaling", f"{mine}, store to store", whole, "patch/s", whole / rate)
        if on_gpu:
            torch.compiler.reset()  # what was compiled for another network
            compiled = upscaler.load(options(case.sr, compile=True), weights, device, precision)
            faster = partial(alone, compiled, there)
            rows = beside(in_network, cases[in_network], faster, batch, rounds)
            yield from [*rows, *shares(rows, case, side)]


def shares(rows: list[Row], case: Case, side: int) -> list[Row]:
    """Return what share of the GPU's peak these rates are; nothing where that is not listed."""
    flops = peak(torch.cuda.get_device_name()) if torch.cuda.is_available() and side == 120 else None
    return [
        Row("upscaling", f"{row.case}: share of the peak", 2e11 * case.giga_macs * row.value / flops, "%")
        for row in (rows if flops else ())
    ]


def beside(
    name: str, eager: Callable[[], object], faster: Callable[[], object], batch: int, rounds: int
) -> list[Row]:
    """Return the compiled network's rate, against the network alone; nothing where it can't be compiled."""
    what = f"{name}, torch.compile"
    if not works(what, faster):
        return []
    return rates("upscaling", "patch", batch, compare({name: eager, what: faster}, rounds), name)[1:]


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


def alone(upscale: Upscale, images: torch.Tensor) -> None:
    """Upscale images that lie on the device; return when it has done so."""
    upscale(images, [""] * len(images))
    if images.is_cuda:
        torch.cuda.synchronize()


def store_to_store(sr: str, weights: Path, count: int, side: int, batch: int) -> float:
    """Return patches/s of the stage once it is under way, for `count` patches, or two batches.

    It is run on one batch, twice, so that the second time all is warm, and on so many patches more: they take
    what it takes longer.
    """
    more = batch * max(2, count // batch)
    _, first, all_ = (stage(sr, weights, patches, side, batch) for patches in (batch, batch, batch + more))
    return more / (all_ - first)


def stage(sr: str, weights: Path, count: int, side: int, batch: int) -> float:
    """Return how many seconds `upscale` takes for `count` patches of land, which repeat."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, DVC_ROOT=folder):
        images = (land()[number % SCENES][:side, :side] for number in range(count))
        labels = np.zeros(19, np.uint8)
        named = (Patch(f"patch_{number}", "train", labels, image) for number, image in enumerate(images))
        write_store(Path(folder) / "patches", named, {})
        patches, machine = PatchStore(Path(folder) / "patches"), Machine(batch_size=batch, workers="auto")
        began = time.perf_counter()
        upscale_store(sr, options(sr), machine, patches, weights, Path(folder) / "upscaled", "a benchmark")
        return time.perf_counter() - began


def options(sr: str, compile: bool = False) -> Section:
    return options_of(sr)[1].model_validate({"precision": "auto", "compile": compile})


@cache
def land() -> list[np.ndarray]:
    """Return SCENES patches of the synthetic data set, (120, 120, 3) uint8."""
    return synthetic_patches(SCENES)[0]


if __name__ == "__main__":
    show(run("--quick" in sys.argv))

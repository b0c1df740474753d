"""Checkpoints in and out: read any common layout, check it against the network, store it as safetensors.

`models/upscaler/` holds `weights.safetensors` and, beside it, the card that says where they come from.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from srscene.core.console import BadInput, brief
from srscene.core.outputs import sha256

State = dict[str, torch.Tensor]
WRAPPERS = ("params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net")
"""Where a checkpoint may keep its weights, best first: BasicSR's average, BasicSR, and what others use."""


def read(path: Path) -> State:
    """Return a checkpoint's weights by name, out of its wrapper and without DataParallel's `module.`.

    Unpickles tensors only, never code. Raises BadInput when the file is no checkpoint.
    """
    try:
        content = _open(path)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError, KeyError) as error:
        raise BadInput(
            f"{path}: no readable checkpoint ({brief(error)}); expected .pth or .safetensors"
        ) from None
    for name in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping) or not content:
        raise BadInput(f"{path}: expected weights by name, found {type(content).__name__}")
    state = {name.removeprefix("module."): value for name, value in content.items()}
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise BadInput(
                f"{path}: {name!r} is a {type(value).__name__}, expected a tensor; save the state dict alone"
            )
    return state


def _open(path: Path) -> object:
    if path.suffix == ".safetensors":
        return load_file(path)
    # mapped, so that only the tensors that are used are read; PyTorch's format before 1.6 is no zip
    return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))


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


def weights_sha256(folder: Path) -> str | None:
    """Return the SHA-256 of a folder's weights; None where the upscaler needs none."""
    file = weights_file(folder)
    return sha256(file) if file.exists() else None

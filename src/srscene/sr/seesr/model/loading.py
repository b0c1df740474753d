"""Matches the tensors of a checkpoint with those that are expected, strictly.

What is expected carries our names; `official` gives the name of each in the official file. Every tensor must
be in the file with the right shape, and every tensor of the file must be used or known as unused: otherwise
BadInput names the file, the tensor and both shapes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from srscene.runtime.console import BadInput

Tensors = dict[str, torch.Tensor]
Shapes = Mapping[str, torch.Size]
Network = TypeVar("Network", bound=nn.Module)
ADVICE = "is this the right file?"


def shapes(network: nn.Module) -> Shapes:
    """Return the shape of each tensor that the network wants from a file."""
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def match(
    expected: Shapes,
    tensors: Mapping[str, torch.Tensor],
    file: Path,
    official: Callable[[str], str] = str,
    unused: Callable[[str], bool] = lambda name: False,
) -> Tensors:
    """Return the file's tensors under the expected names.

    Raises BadInput for a missing tensor, a wrong shape, or a tensor that is neither needed nor `unused`.
    """
    matched: Tensors = {}
    needed = set()
    for name, shape in expected.items():
        source = official(name)
        needed.add(source)
        if source not in tensors:
            raise BadInput(f"{file}: no tensor {source!r}, expected of shape {_text(shape)}; {ADVICE}")
        tensor = tensors[source]
        if tensor.shape != shape:
            found = f"has shape {_text(tensor.shape)}, expected {_text(shape)}"
            raise BadInput(f"{file}: tensor {source!r} {found}; {ADVICE}")
        matched[name] = tensor
    for source, tensor in tensors.items():
        if source not in needed and not unused(source):
            found = f"of shape {_text(tensor.shape)}"
            raise BadInput(f"{file}: unexpected tensor {source!r} {found}, expected none; {ADVICE}")
    return matched


def fill(network: Network, tensors: Tensors, device: torch.device, dtype: torch.dtype) -> Network:
    """Give a network that was built without memory its tensors, ready for inference."""
    ready = {name: tensor.to(device, dtype) for name, tensor in tensors.items()}
    network.load_state_dict(ready, strict=True, assign=True)
    for module in network.modules():  # timm's attention masks and indices: not in a file, and not made yet
        if make := getattr(module, "init_non_persistent_buffers", None):
            make()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(device).requires_grad_(False).eval()


def _text(shape: torch.Size) -> str:
    return "×".join(map(str, shape)) or "scalar"

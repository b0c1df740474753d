"""Matches the tensors of a checkpoint with a network, strictly.

A network's tensors carry our names; `official` gives the name of each in the official file. Every tensor of
the network must be in the file with the right shape, and every tensor of the file must be used or known as
unused: otherwise BadInput names the file, the tensor and both shapes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from srscene.console import BadInput

Tensors = dict[str, torch.Tensor]
Network = TypeVar("Network", bound=nn.Module)
ADVICE = "is this the right file?"


def match(
    network: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    file: Path,
    official: Callable[[str], str] = str,
    unused: Callable[[str], bool] = lambda name: False,
) -> Tensors:
    """Return the file's tensors under the network's names.

    Raises BadInput for a missing tensor, a wrong shape, or a tensor that is neither needed nor `unused`.
    """
    matched: Tensors = {}
    needed = set()
    for name, parameter in network.state_dict().items():
        source = official(name)
        needed.add(source)
        if source not in tensors:
            raise BadInput(f"{file}: no tensor {source!r}, expected of shape {_shape(parameter)}; {ADVICE}")
        tensor = tensors[source]
        if tensor.shape != parameter.shape:
            shapes = f"has shape {_shape(tensor)}, expected {_shape(parameter)}"
            raise BadInput(f"{file}: tensor {source!r} {shapes}; {ADVICE}")
        matched[name] = tensor
    for source, tensor in tensors.items():
        if source not in needed and not unused(source):
            raise BadInput(
                f"{file}: unexpected tensor {source!r} of shape {_shape(tensor)}, expected none; {ADVICE}"
            )
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


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"

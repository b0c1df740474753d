"""Which layer Grad-CAM looks at: the last one that still knows where things are."""

from collections.abc import Callable
from math import isqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from srscene.runtime.console import BadInput

PAPER = {
    "resnet50": "layer4.2",
    "resnet101": "layer4.2",
    "resnet152": "layer4.2",
    "inception_v4": "features.21",
}
"""The final convolutional block of the paper's backbones (section 4.2), by timm's names."""


class Layer(NamedTuple):
    """A module, and what turns its output into (N, C, h, w), None where it is that already."""

    module: nn.Module
    reshape: Callable[[Tensor], Tensor] | None = None


def find_layer(backbone: str, model: Any, image: Tensor) -> Layer:
    """Return the layer for Grad-CAM of a timm `model`; `image` is (1, 3, H, W), normalised.

    A convolutional backbone's is the last module that gives its feature map. A backbone of tokens has its map
    at the last block's first normalisation, since nothing flows from later tokens to a class token.
    Raises BadInput for a backbone that keeps no map.
    """
    if backbone in PAPER:
        return Layer(model.get_submodule(PAPER[backbone]))
    features, outputs = _run(model, image)
    if features.ndim == 4:
        module = [module for module, shape in outputs if shape == features.shape][-1]
        return Layer(module, _channels_first if getattr(model, "output_fmt", "") == "NHWC" else None)
    prefix = getattr(model, "num_prefix_tokens", 0)
    if features.ndim == 3 and hasattr(model, "blocks") and _is_square(features.shape[1] - prefix):
        return Layer(model.blocks[-1].norm1, lambda tokens: _tokens_to_map(tokens, prefix))
    raise BadInput(
        f"params.yaml: backbone: {backbone!r} keeps no map of the image for Grad-CAM; "
        "`dvc repro evaluate` runs everything that needs none"
    )


def _run(model: Any, image: Tensor) -> tuple[Tensor, list[tuple[nn.Module, torch.Size]]]:
    """Return the model's unpooled features, and its modules in the order they finish, with output shapes."""
    outputs: list[tuple[nn.Module, torch.Size]] = []

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            outputs.append((module, output.shape))

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        with torch.inference_mode():
            return model.forward_features(image), outputs
    finally:
        for hook in hooks:
            hook.remove()


def _channels_first(features: Tensor) -> Tensor:
    return features.permute(0, 3, 1, 2)


def _tokens_to_map(tokens: Tensor, prefix: int) -> Tensor:
    side = isqrt(tokens.shape[1] - prefix)
    return tokens[:, prefix:].unflatten(1, (side, side)).permute(0, 3, 1, 2)


def _is_square(number: int) -> bool:
    return isqrt(number) ** 2 == number

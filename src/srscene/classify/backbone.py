"""Backbones from timm: the model of a name, and what images it takes."""

import bisect
import copy
from difflib import get_close_matches
from typing import Any

import timm
import torch
from huggingface_hub import get_session, try_to_load_from_cache
from timm.data import resolve_model_data_config
from torch import nn

from srscene.classify.options import PAPER
from srscene.core.classes import CLASSES
from srscene.runtime.console import BadInput, brief
from srscene.runtime.params import near


def check_backbone(name: str) -> None:
    """Raise BadInput, with near names, for a `name` (or a tag behind its dot) that timm does not know."""
    try:
        if timm.is_model(name):
            timm.get_pretrained_cfg(name)
            return
    except RuntimeError:  # no such tag
        pass
    known = timm.list_pretrained() if "." in name else timm.list_models()
    close = get_close_matches(name, known, 5, 0.5)
    others = f"; nearest in timm: {', '.join(close)}" if close else ""
    raise BadInput(f"params.yaml: backbone: timm knows no {name!r}; {near(name, list(PAPER))}{others}")


def create(
    name: str, image_size: int, pretrained: bool = False, dropout: float = 0.0, drop_path: float = 0.0
) -> nn.Module:
    """Return timm's model `name` with one logit per class, for square images of `image_size` pixels.

    `dropout` and `drop_path` are the shares that a training step leaves out of the last features and of the
    residual branches, where the backbone has such. Raises BadInput for a name that timm does not know or a
    size that the model cannot be made for, and when pretrained weights are not to be had.
    """
    check_backbone(name)
    config = timm.get_pretrained_cfg(name)
    options: dict[str, Any] = {"num_classes": len(CLASSES)}
    options |= {"drop_rate": dropout} if dropout else {}
    if config and config.fixed_input_size:
        options["img_size"] = image_size
    if pretrained:
        options |= {"pretrained": True, "pretrained_cfg_overlay": _weights_source(name, config)}
    try:
        if drop_path:
            try:
                return timm.create_model(name, drop_path_rate=drop_path, **options)
            except TypeError:  # it has no residual branches
                pass
        return timm.create_model(name, **options)
    except (AssertionError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise BadInput(
            f"params.yaml: backbone: timm makes no {name!r} for images of {image_size}×{image_size} pixels "
            f"({brief(error)}); choose another backbone"
        ) from None


def _weights_source(name: str, config: Any) -> dict[str, str]:
    """Return where timm shall find the weights: a file in the Hub's cache, else its own source ({})."""
    if not (config and config.has_weights):
        raise BadInput(
            f"params.yaml: classifier.pretrained: timm has no weights for {name!r}; set it to false"
        )
    cached = config.hf_hub_id and try_to_load_from_cache(config.hf_hub_id, "model.safetensors")
    if isinstance(cached, str):
        return {"file": cached}
    try:  # asked once here, since the Hub's client tries for most of a minute
        get_session().head("https://huggingface.co", timeout=10)
    except Exception as error:  # of whichever HTTP library the client is built on
        raise BadInput(
            f"params.yaml: classifier.pretrained: no weights of {name!r} in the Hub's cache and no way to "
            f"huggingface.co ({type(error).__name__}); run once with a network, or set it to false"
        ) from None
    return {}


def smallest_window(model: nn.Module, wanted: int, image_size: int) -> int:
    """Return the smallest side from `wanted` to `image_size`, pixels, that `model` can be trained on.

    Tries shapes alone, on the meta device: nothing is computed. Raises BadInput when not even whole images
    are large enough.
    """
    sides = range(wanted, image_size + 1)
    shapes = copy.deepcopy(model).to("meta").train()

    def accepts(side: int) -> bool:
        try:
            return bool(shapes(torch.empty(2, 3, side, side, device="meta")).shape[0] == 2)
        except (AssertionError, RuntimeError, ValueError):
            return False

    first = 0 if accepts(wanted) else bisect.bisect_left(sides, True, key=accepts)
    if first == len(sides):
        raise BadInput(
            f"params.yaml: backbone: it cannot take images of {image_size}×{image_size} pixels; "
            "choose another backbone or a larger sr"
        )
    return sides[first]


def normalisation(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation that timm names for `model`, of R, G and B in 0..1."""
    config = resolve_model_data_config(model)
    return tuple(config["mean"]), tuple(config["std"])


def to_device(model: nn.Module, device: torch.device) -> nn.Module:
    """Return `model` on `device`, channels last, the layout that both kinds of device convolve fastest."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

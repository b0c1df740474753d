"""Backbones from timm, and the folder that holds a trained one.

    model, card = load_classifier(Path("models/classifier"), device)
    logits = model(normalise(images, card))

The folder holds `model.safetensors` and `card.json`, which says everything needed to use the weights.
"""

import bisect
import copy
import difflib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import get_session, try_to_load_from_cache
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from srscene.console import BadInput
from srscene.labels import CLASSES


@dataclass(frozen=True)
class Card:
    """What a trained classifier is; stored beside its weights as `card.json`."""

    backbone: str
    classes: tuple[str, ...]
    """In the order of the model's outputs."""
    image_size: int
    """Side of the whole images, pixels."""
    window: int
    """Side of the windows that it was trained on, pixels."""
    mean: tuple[float, ...]
    """Of R, G and B in 0..1, taken off before division by `std`."""
    std: tuple[float, ...]
    pretrained: bool
    epochs: int
    best_epoch: int
    """The epoch whose weights are kept, from 1."""
    val_macro_ap: float | None
    """Of the kept weights; None without validation patches."""
    precision: str
    images: dict[str, Any]
    """Attributes of the image store that it was trained on: upscaler, scale, …"""


def create(name: str, image_size: int, pretrained: bool = False) -> nn.Module:
    """Return timm's model `name` with one logit per class, for square images of `image_size` pixels.

    Raises BadInput for a name that timm does not know, and when pretrained weights are not to be had.
    """
    if not timm.is_model(name):
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), 5, 0.5)) or "resnet50"
        raise BadInput(f"params.yaml: backbone: timm knows no {name!r}; near matches: {near}")
    config = timm.get_pretrained_cfg(name)
    options: dict[str, Any] = {"num_classes": len(CLASSES)}
    if config and config.fixed_input_size:
        options["img_size"] = image_size
    if pretrained:
        options |= {"pretrained": True, "pretrained_cfg_overlay": _weights_source(name, config)}
    return timm.create_model(name, **options)


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


def normalise(images: Tensor, card: Card) -> Tensor:
    """Turn (N, H, W, 3) uint8 RGB into the (N, 3, H, W) float32 that the model takes, channels last."""
    mean, std = (torch.tensor(values, device=images.device) for values in (card.mean, card.std))
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def save_weights(model: nn.Module, file: Path) -> None:
    """Write the weights as safetensors, whole or not at all; the same weights give the same bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    temporary = file.with_suffix(".tmp")
    save_file(tensors, temporary)
    temporary.chmod(0o644)  # safetensors makes files that only their owner can read
    temporary.replace(file)


def save_card(card: Card, folder: Path) -> None:
    """Write `card.json` into the classifier's folder."""
    (folder / "card.json").write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n")


def load_classifier(folder: Path, device: torch.device) -> tuple[nn.Module, Card]:
    """Return the classifier in `folder`, in evaluation mode and channels last, and its card.

    Raises BadInput when a file is missing or damaged, or when its classes are not those of `labels`.
    """
    try:
        values = json.loads((folder / "card.json").read_text())
        card = TypeAdapter(Card).validate_python(values)
        weights = load_file(folder / "model.safetensors")
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise BadInput(f"{folder}: no whole classifier in it ({error}); run `dvc repro train`") from None
    if card.classes != CLASSES:
        raise BadInput(
            f"{folder}/card.json: classes {card.classes[:2]}…, expected {CLASSES[:2]}…; train again"
        )
    model = create(card.backbone, card.image_size)
    model.load_state_dict(weights)
    return to_device(model, device).eval(), card


def to_device(model: nn.Module, device: torch.device) -> nn.Module:
    """Return `model` on `device`, channels last, the layout that both kinds of device convolve fastest."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

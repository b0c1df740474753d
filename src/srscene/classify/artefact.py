"""The folder that holds a trained classifier: `model.safetensors`, and `card.json` that explains it.

    model, card = load_classifier(Path("models/classifier"), device)
    logits = model(normalise(images, card))

The card says everything needed to use the weights and, by its `images`, to make such images of a raw scene.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from srscene.classify.backbone import create, to_device
from srscene.core.console import BadInput, brief
from srscene.core.device import Precision
from srscene.core.labels import CLASSES
from srscene.core.outputs import whole_file, write_json

WEIGHTS, CARD = "model.safetensors", "card.json"


@dataclass(frozen=True)
class ClassifierCard:
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
    precision: Precision
    """That it was trained in, and predicts in."""
    images: dict[str, Any]
    """Attributes of the image store that it was trained on: bands, reflectance range, upscaler, scale, …"""


def save_weights(model: nn.Module, file: Path) -> None:
    """Write the weights as safetensors, whole or not at all; the same weights give the same bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with whole_file(file) as temporary:
        save_file(tensors, temporary)
        temporary.chmod(0o644)  # safetensors makes files that only their owner can read


def save_card(card: ClassifierCard, folder: Path) -> None:
    """Write `card.json` into the classifier's folder."""
    write_json(folder / CARD, asdict(card))


def load_classifier(folder: Path, device: torch.device) -> tuple[nn.Module, ClassifierCard]:
    """Return the classifier in `folder`, in evaluation mode and channels last, and its card.

    Raises BadInput when a file is missing or damaged, or when its classes are not those of `labels`.
    """
    try:
        values = json.loads((folder / CARD).read_text())
        card = TypeAdapter(ClassifierCard).validate_python(values)
        weights = load_file(folder / WEIGHTS)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise BadInput(
            f"{folder}: no whole classifier in it ({brief(error)}); run `dvc repro train`"
        ) from None
    if card.classes != CLASSES:
        raise BadInput(f"{folder}/{CARD}: classes {card.classes[:2]}…, expected {CLASSES[:2]}…; train again")
    model = create(card.backbone, card.image_size)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise BadInput(
            f"{folder}/{WEIGHTS}: not the weights of the card's {card.backbone} ({brief(error)}); "
            "run `dvc repro train`"
        ) from None
    return to_device(model, device).eval(), card

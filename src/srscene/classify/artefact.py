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
from safetensors.torch import load_file, save_file
from torch import nn

from srscene.classify.backbone import create, to_device
from srscene.classify.statistics import Statistics
from srscene.core.classes import CLASSES
from srscene.core.precision import Precision
from srscene.core.tables import write_json
from srscene.runtime.console import BadInput, brief
from srscene.runtime.reading import read_bytes, reading

WEIGHTS, CARD = "model.safetensors", "card.json"
LARGEST_CARD = 1_000_000
"""Bytes."""
REMEDY = "run `dvc repro train`, or `dvc checkout` for the one that DVC recorded"


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
    statistics: Statistics | None = None
    """Of the images that it was trained on; None in a card from before they were noted."""
    training: dict[str, Any] | None = None
    """Patches of `train` and `val`, the seed, a CPU's threads, and the classifier's options; None in an older
    card.
    """


def save_weights(model: nn.Module, file: Path) -> None:
    """Write the weights as safetensors; the same weights give the same bytes."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, file)
    file.chmod(0o644)  # safetensors makes files that only their owner can read


def save_card(card: ClassifierCard, folder: Path) -> None:
    """Write `card.json` into the classifier's folder."""
    write_json(folder / CARD, asdict(card))


def load_classifier(folder: Path, device: torch.device) -> tuple[nn.Module, ClassifierCard]:
    """Return the classifier in `folder`, in evaluation mode and channels last, and its card.

    Raises BadInput when a file is missing or damaged, or when its classes are not those of `labels`.
    """
    with reading(folder / CARD, "a classifier's card", REMEDY):
        values = json.loads(read_bytes(folder / CARD, LARGEST_CARD))
        card = TypeAdapter(ClassifierCard).validate_python(values)
    with reading(folder / WEIGHTS, "a classifier's weights", REMEDY):
        weights = load_file(folder / WEIGHTS)
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise BadInput(f"{folder / WEIGHTS}: {name} is not finite; {REMEDY}")
    if card.classes != CLASSES:
        raise BadInput(f"{folder}/{CARD}: classes {card.classes[:2]}…, expected {CLASSES[:2]}…; train again")
    model = create(card.backbone, card.image_size)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise BadInput(
            f"{folder}/{WEIGHTS}: not the weights of the card's {card.backbone} ({brief(error)}); {REMEDY}"
        ) from None
    return to_device(model, device).eval(), card

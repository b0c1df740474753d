"""A trained classifier together with what made its images, rebuilt from its card and two folders of weights.

model = load(Path("models/classifier"), Path("models/upscaler"), device)
probabilities = model.predict(tiles, names).probabilities
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from torch import nn

from srscene.classify.artefact import CARD, LARGEST_CARD, WEIGHTS, ClassifierCard, load_classifier
from srscene.classify.inference import normalise
from srscene.core.precision import DTYPES, Precision
from srscene.core.store import Image
from srscene.raw.layout import BANDS
from srscene.runtime.console import BadInput
from srscene.runtime.files import sha256
from srscene.runtime.reading import read_bytes, reading
from srscene.sr.common.checkpoints import beside_weights, weights_file
from srscene.sr.common.upscaler import Upscale, Upscaler, find, load_from_card

PULL = "get both folders of one revision: `dvc get REPOSITORY models`"
MODEL_CARD = "model_card.json"
"""What `evaluate` writes beside the classifier's folder."""


class Images(BaseModel):
    """What the card says of the images that the classifier was trained on: enough to make such images."""

    sr: str
    options: dict[str, Any]
    precision: Precision
    weights: str | None
    """SHA-256 of the upscaler's."""
    scale: int = Field(ge=1)
    bands: tuple[str, ...]
    reflectance_max: int = Field(ge=1, le=10_000)


class Predicted(NamedTuple):
    """Of N tiles: probabilities (N, 19), and means (N, 3) of R, G, B, 0..255, as the classifier saw them."""

    probabilities: NDArray[np.float32]
    means: NDArray[np.float32]


@dataclass(frozen=True)
class SceneClassifier:
    """Takes tiles of 10 m as ingested patches are, and predicts as the pipeline does."""

    card: ClassifierCard
    images: Images
    upscaler: Upscaler[Any]
    device: torch.device
    weights: str
    """SHA-256 of the classifier's."""
    beside: dict[str, str]
    """SHA-256 of what lies beside the upscaler's weights."""
    _network: nn.Module
    _upscale: Upscale

    @property
    def tile(self) -> int:
        """Side of a tile, pixels of 10 m."""
        return self.card.image_size // self.images.scale

    def predict(self, tiles: Image, names: Sequence[str]) -> Predicted:
        """Return what the model makes of tiles (N, tile, tile, 3) uint8 RGB; `names` seed what is random.

        Raises BadInput, naming a tile, where a number is not finite.
        """
        kind, precision = self.device.type, self.card.precision
        with torch.inference_mode():
            pictures = self._upscale(torch.from_numpy(tiles).to(self.device), names)
            with torch.autocast(kind, DTYPES[precision], enabled=precision != "fp32"):
                logits = self._network(normalise(pictures, self.card)).float()
            means = pictures.float().mean((1, 2)).cpu().numpy()
        sound = torch.isfinite(logits).all(1).tolist()
        if not all(sound):
            raise BadInput(
                f"{names[sound.index(False)]}: the classifier's logits are not finite in {precision}; train "
                "with classifier.precision: fp32"
            )
        return Predicted(logits.sigmoid().cpu().numpy(), means)


def load(classifier: Path, upscaler: Path, device: torch.device) -> SceneClassifier:
    """Return the model whose card and weights lie in `classifier`, its upscaler's weights in `upscaler`.

    Raises BadInput where one is missing or damaged, where the upscaler's weights are others than the
    classifier's images were made with, and where the card doesn't tell how to make such images of a scene.
    """
    if not (classifier / CARD).exists():
        raise BadInput(f"{classifier / CARD}: not there, expected a trained classifier's card; {PULL}")
    network, card = load_classifier(classifier, device)
    images = _images(classifier / CARD, card)
    file = weights_file(upscaler)
    if images.weights and not file.exists():
        raise BadInput(
            f"{file}: not there, expected the weights of {images.sr} with sha256 {images.weights}, which "
            f"made the classifier's images; {PULL}"
        )
    upscale = load_from_card(card.images, upscaler, device)
    weights, beside = sha256(classifier / WEIGHTS), beside_weights(upscaler)
    return SceneClassifier(card, images, find(images.sr), device, weights, beside, network, upscale)


def threshold_of(classifier: Path) -> float:
    """Return the threshold at which `evaluate` scored the classifier, from the model card beside its folder.

    0.5 where there is no such card. Raises BadInput where it is damaged.
    """
    file = classifier.parent / MODEL_CARD
    if not file.exists():
        return 0.5
    with reading(file, "a model card, as `evaluate` writes it", "give --threshold, or get it again"):
        return float(json.loads(read_bytes(file, LARGEST_CARD))["threshold"])


def _images(file: Path, card: ClassifierCard) -> Images:
    try:
        images = Images.model_validate(card.images)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise BadInput(
            f"{file}: images: {where}: {problem['msg']}; expected what makes the model's input of a scene; "
            "train again with `dvc repro`"
        ) from None
    if images.bands != BANDS:
        raise BadInput(
            f"{file}: trained on bands {', '.join(images.bands)}, expected {', '.join(BANDS)}, as scenes "
            "are read"
        )
    if card.image_size % images.scale:
        raise BadInput(
            f"{file}: images of {card.image_size} pixels are no {images.scale}-fold of a tile; train again"
        )
    return images

"""Which upscaler a scene meets, with which options and weights.

Weights and their card lie in a folder as the stage `weights` makes it; options stand in params.yaml or, where
only models/ was pulled, in the card of the classifier beside that folder. What has no weights needs neither.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from srscene.core.precision import Precision
from srscene.runtime import params
from srscene.runtime.console import BadInput, say
from srscene.runtime.params import Section, restored, validated
from srscene.runtime.reading import read_bytes, reading
from srscene.sr.common.checkpoints import beside_weights, weights_file, weights_sha256
from srscene.sr.common.names import options_of
from srscene.sr.common.upscaler import Upscale, Upscaler, find

FOLDER = Path("models/upscaler")
LARGEST_CARD = 1_000_000
"""Bytes."""
OWN = {"machine", "upscalers", "datasets"}
"""Sections that tell srscene's params.yaml from another project's."""
REFLECTANCE_MAX = 2000
"""Where neither params.yaml nor a card tells, of an upscaler with defaults; params.yaml has no other."""


@dataclass(frozen=True)
class Model:
    """An upscaler, ready to be loaded."""

    name: str
    upscaler: Upscaler[Any]
    options: Section
    weights: str | None
    """Their SHA-256; None where it needs none."""
    beside: dict[str, str]
    """SHA-256 of what else lies in their folder."""
    reflectance_max: int
    """Reflectance · 10,000 that is 255 for it."""
    load: Callable[[torch.device, Precision], Upscale]


def find_model(
    sr: str | None, folder: Path | None, reflectance_max: int | None = None, options: Section | None = None
) -> Model:
    """Return the upscaler `sr`, or else the one whose weights lie in `folder`, or else params.yaml's.

    Where not given, `options` and `reflectance_max` are params.yaml's, else those of the classifier's card.
    Raises BadInput where there is no such folder, no weights, those of another upscaler, or no options.
    """
    place = folder or FOLDER
    if folder and not folder.is_dir():
        raise BadInput(f"{folder}: not there, expected the folder of an upscaler's weights; mend --model")
    values = own_params()
    card = _card(place / "card.json")
    name = sr or card.get("sr") or values.get("sr")
    if not name:
        raise BadInput(
            f"{place}: no upscaler's card there, and no params.yaml here; name an upscaler with --sr, its "
            "weights with --model, or get them: dvc get REPOSITORY models"
        )
    upscaler = find(name)
    if not upscaler.of_any_image:
        raise BadInput(f"sr: {name} shows what a store holds; it can't upscale a scene, so choose another")
    if not (sr or folder) and values.get("sr", name) != name:
        raise BadInput(
            f"params.yaml: sr: {values['sr']}, but {place} holds what {name} needs; run `dvc repro "
            f"weights`, or say --sr {name}"
        )
    weights = _weights(name, card, place) if find_spec(f"srscene.sr.{name}.weights") else None
    images = _card(place.parent / "classifier" / "card.json").get("images", {})
    options = options or _options(name, upscaler, values, images)
    if reflectance_max is None:
        reflectance_max = _reflectance_max(upscaler, values, images)
    load = partial(upscaler.load, options, place)
    return Model(name, upscaler, options, weights, beside_weights(place), reflectance_max, load)


def own_params() -> dict[str, Any]:
    """Return params.yaml's values; nothing where there is none here, or another project's."""
    values = params.load() if params.FILE.exists() else {}
    return values if values.keys() >= OWN else {}


def _weights(name: str, card: dict[str, Any], place: Path) -> str:
    """Return the digest of the weights in a folder; raises BadInput where they are missing or another's."""
    if card.get("sr", name) != name:
        raise BadInput(
            f"{place}: holds what {card['sr']} needs, expected {name}'s weights; say with --model where they "
            f"are, or make them: dvc exp run -S sr={name} weights"
        )
    found = weights_sha256(place)
    if found is None:
        raise BadInput(
            f"{weights_file(place)}: not there, but {name} needs it; run `dvc pull models/upscaler` or "
            "`dvc repro weights`, or say with --model where it is"
        )
    return found


def _options(name: str, upscaler: Upscaler[Any], values: dict[str, Any], images: dict[str, Any]) -> Section:
    path, kind = f"upscalers.{name}.upscale", options_of(name)[1]
    if values:
        return validated(params.at(values, path), path, kind)
    if images.get("sr") == name:
        options = restored(kind, images.get("options"))
        return validated(options, "images.options", kind, Path("models/classifier/card.json"))
    if upscaler.defaults is not None:
        return upscaler.defaults
    raise BadInput(
        f"params.yaml: none of srscene's here, and no classifier's card that tells {path}; run from the "
        "repository's top folder, or get it: dvc get REPOSITORY params.yaml"
    )


def _reflectance_max(upscaler: Upscaler[Any], values: dict[str, Any], images: dict[str, Any]) -> int:
    if values:
        path = f"datasets.{params.at(values, 'dataset')}.reflectance_max"
        return validated(params.at(values, path), path, int)
    if upscaler.defaults is not None and not images:
        say(f"no params.yaml and no card tells which reflectance becomes 255: {REFLECTANCE_MAX} of 10,000")
        return REFLECTANCE_MAX
    return validated(
        images.get("reflectance_max"), "images.reflectance_max", int, Path("models/classifier/card.json")
    )


def _card(path: Path) -> dict[str, Any]:
    """Return a card, nothing where there is none."""
    if not path.exists():
        return {}
    with reading(path, "a card, as the pipeline writes it", "get it again with `dvc pull`"):
        card = json.loads(read_bytes(path, LARGEST_CARD))
        if not isinstance(card, dict):
            raise ValueError(f"a {type(card).__name__}")
    return card

"""Predicts the labels' probabilities of the val and test patches."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from srscene.classify.artefact import CARD, load_classifier
from srscene.classify.inference import ON_CPU, ON_GPU, logits, start_processes
from srscene.core.predictions import Predictions, write
from srscene.core.store import PatchStore, Split
from srscene.runtime.console import BadInput, say
from srscene.runtime.device import describe
from srscene.runtime.machine import Machine
from srscene.runtime.parts import clean


def predict(store: PatchStore, folder: Path, machine: Machine, out: Path) -> None:
    """Write the probabilities that the classifier in `folder` gives the val and test patches of `store`.

    It computes in the precision that it was trained in. A split without patches gives an empty group.
    Raises BadInput when the classifier is not whole, or was trained on other images.
    """
    processes = start_processes()
    device = processes.device
    model, card = load_classifier(folder, device)
    if other := _differing(card.images, store.attributes):
        raise BadInput(
            f"{folder}/{CARD}: trained on other images than {store.folder} holds: {other}; run `dvc repro`"
        )
    if processes.is_main_process:
        clean()  # DVC has recorded the training by now
        batch_size = machine.batch(device, ON_GPU, ON_CPU)
        where = describe(device, processes.num_processes)
        say(f"{card.backbone}; {where}, {card.precision}, batch {batch_size}")
    splits: dict[Split, Predictions] = {}
    for split in ("val", "test"):
        indices = store.indices(split)
        found = logits(model, card, store, indices, machine, f"predict {split}")
        probabilities = torch.from_numpy(found).sigmoid().numpy()
        names = [store.names[index] for index in indices]
        _check_finite(found, names, f"{folder}: {card.precision}")
        splits[split] = Predictions(probabilities, store.labels[indices], names)
    if processes.is_main_process:
        write(out, splits, {"sr": store.attributes.get("sr"), "backbone": card.backbone})


def _differing(trained: dict[str, Any], found: dict[str, Any]) -> str:
    """Return the attributes that are not the same, in words; empty if all are."""
    names = [name for name in sorted(trained | found) if trained.get(name) != found.get(name)]
    return "; ".join(f"{name} {trained.get(name)!r}, now {found.get(name)!r}" for name in names)


def _check_finite(logits: NDArray[np.float32], names: list[str], what: str) -> None:
    """Raise BadInput, naming the first patch, where a logit is not finite."""
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():
        raise BadInput(
            f"{what}: the logits of {bad.sum():,} of {len(names):,} patches are not finite, the first "
            f"{names[int(bad.argmax())]}; train with classifier.precision: fp32"
        )

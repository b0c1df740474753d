"""Runs a classifier over whole images."""

from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import nn

from srscene.classify.backbone import Card, load_classifier, normalise
from srscene.classify.batches import Indices, loader, plan_reading
from srscene.classify.options import ClassifierOptions
from srscene.console import BadInput, progress, say
from srscene.device import Precision, describe, pick_device, pick_precision
from srscene.labels import CLASSES
from srscene.predictions import Predictions, write
from srscene.store import PatchStore, Split

MIXED = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


def accelerator(precision: Precision) -> Accelerator:
    """Return accelerate's handle on device, processes (one, or as many as torchrun started) and autocast."""
    return Accelerator(cpu=pick_device().type == "cpu", mixed_precision=MIXED[precision])


def logits(
    model: nn.Module,
    card: Card,
    store: PatchStore,
    indices: Indices,
    batch_size: int,
    runtime: Accelerator,
    what: str | None = None,
) -> NDArray[np.float32]:
    """Return the logits of whole images, (N, 19) float32 in the order of `indices`, in every process.

    `model` is in evaluation mode and channels last; `batch_size` counts all processes together; `what` names
    the progress bar, None shows none.
    """
    ours = np.array_split(indices, runtime.num_processes)[runtime.process_index]
    plan = plan_reading(ours, -(-batch_size // runtime.num_processes))
    batches = loader(store, plan, runtime.device)
    shown = progress(batches, what, "batch") if what and runtime.is_main_process else batches
    found = [np.empty((0, len(CLASSES)), np.float32)]
    with torch.inference_mode(), runtime.autocast():
        for batch in shown:
            images = batch.images.to(runtime.device, non_blocking=True)
            found.append(model(normalise(images, card)).float().cpu().numpy())
    return np.concatenate(gather_object(found))


def predict(store: PatchStore, folder: Path, options: ClassifierOptions, out: Path) -> None:
    """Write the probabilities that the classifier in `folder` gives the val and test patches of `store`.

    A split without patches gives an empty group. Raises BadInput when the classifier is not whole, or was
    trained on images of another upscaler.
    """
    precision = pick_precision(options.precision, pick_device(), on_gpu="bf16")
    runtime = accelerator(precision)
    model, card = load_classifier(folder, runtime.device)
    if card.images != store.attributes:
        raise BadInput(
            f"{folder}/card.json: trained on {card.images}, but {store.folder} holds {store.attributes}; "
            "run `dvc repro`"
        )
    if runtime.is_main_process:
        say(f"{card.backbone}; {describe(runtime.device)}, {precision}, batch {options.batch_size}")
    splits: dict[Split, Predictions] = {}
    for split in ("val", "test"):
        indices = store.indices(split)
        found = logits(model, card, store, indices, options.batch_size, runtime, f"predict {split}")
        probabilities = torch.from_numpy(found).sigmoid().numpy()
        names = [store.names[index] for index in indices]
        splits[split] = Predictions(probabilities, store.labels[indices], names)
    if runtime.is_main_process:
        write(out, splits, {"sr": store.attributes.get("sr"), "backbone": card.backbone})

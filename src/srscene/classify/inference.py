"""From a store's uint8 images to the logits of a classifier, on one device or several."""

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor, nn

from srscene.classify.artefact import ClassifierCard
from srscene.classify.batches import Indices, loader, plan_reading, send
from srscene.core.classes import CLASSES
from srscene.core.precision import DTYPES, Precision
from srscene.core.store import PatchStore
from srscene.runtime.console import BadInput, progress
from srscene.runtime.device import halving, pick_device
from srscene.runtime.machine import Machine

ON_GPU, ON_CPU = 64, 8
"""Whole images at once, of 480×480 pixels and less."""


def start_processes() -> PartialState:
    """Return accelerate's handle on the device and the processes: one, or as many as run together."""
    return PartialState(cpu=pick_device().type == "cpu")


def start_accelerator(precision: Precision) -> Accelerator:
    """Return the handle for training: device, processes, and steps in `precision`.

    Raises BadInput for fp16 on a CPU.
    """
    cpu = pick_device().type == "cpu"
    if cpu and precision == "fp16":
        raise BadInput(
            "params.yaml: classifier.precision: fp16, but there is no GPU, and fp16 trains on none else; "
            "set it to auto"
        )
    return Accelerator(cpu=cpu, mixed_precision="no" if precision == "fp32" else precision)


def normalise(images: Tensor, card: ClassifierCard) -> Tensor:
    """Turn (N, H, W, 3) uint8 RGB into the (N, 3, H, W) float32 that the model takes, channels last."""
    mean, std = (send(np.array(values, np.float32), images.device) for values in (card.mean, card.std))
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def logits(
    model: nn.Module,
    card: ClassifierCard,
    store: PatchStore,
    indices: Indices,
    machine: Machine,
    what: str | None = None,
) -> NDArray[np.float32]:
    """Return the logits of whole images, (N, 19) float32 in the order of `indices`, in every process.

    The processes share the work. `model` is in evaluation mode, on the device, and channels last; it
    computes in the card's precision. `what` names the progress bar, None shows none.
    """
    processes = start_processes()
    device = processes.device
    ours = np.array_split(indices, processes.num_processes)[processes.process_index]
    autocast = torch.autocast(device.type, DTYPES[card.precision], enabled=card.precision != "fp32")

    def run(batch_size: int) -> list[NDArray[np.float32]]:
        batches = loader(store, plan_reading(ours, batch_size), device, machine.readers(device))
        shown = progress(batches, what, "batch") if what and processes.is_main_process else batches
        found = [np.empty((0, len(CLASSES)), np.float32)]
        with torch.inference_mode(), autocast:
            for batch in shown:
                images = batch.images.to(device, non_blocking=True)
                found.append(model(normalise(images, card)).float().cpu().numpy())
        return found

    found = halving(what or "validate", run, machine.batch(device, ON_GPU, ON_CPU))
    return np.concatenate(gather_object(found))

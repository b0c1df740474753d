"""A classifier and test patches in, a figure and numbers out."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from srscene.classify.artefact import load_classifier
from srscene.classify.inference import normalise
from srscene.core.store import PatchStore
from srscene.core.tables import write_json
from srscene.explain.cam import ClassMaps, Maps
from srscene.explain.coverage import summarise
from srscene.explain.figure import Row, draw, most_diverse
from srscene.explain.layer import find_layer
from srscene.explain.options import ExplainOptions
from srscene.runtime.console import BadInput, progress, say
from srscene.runtime.device import describe, halving, pick_device
from srscene.runtime.machine import Machine


def explain(
    store: PatchStore,
    classifier: Path,
    options: ExplainOptions,
    machine: Machine,
    metrics: Path,
    figure: Path,
) -> None:
    """Write the numbers (JSON) and the figure (PNG).

    Numbers average the maps of the labels that each patch is predicted to have (probability ≥ 0.5), the most
    probable one where none is, over test patches spread evenly over the split. Raises BadInput when there is
    no test patch, or the backbone keeps no map.
    """
    test = store.indices("test")
    if not len(test):
        raise BadInput(f"{store.folder}: holds no test patch; Grad-CAM needs at least 1, so check the split")
    chosen = test[np.linspace(0, len(test) - 1, min(options.patches, len(test))).round().astype(int)]
    probabilities, maps, backbone = maps_of(store, classifier, chosen, machine)

    shown = predicted_or_top(probabilities)
    summary = {"patches": len(chosen), "grid": maps.shape[-1], **summarise(maps[shown])}
    if summary["empty"]:
        say(f"{summary['empty']} of {summary['cams']} maps are 0: nothing in the patch speaks for the label")
    write_json(metrics, summary)

    rows = [
        Row(store[int(chosen[i])], store.labels[chosen[i]], probabilities[i], maps[i])
        for i in most_diverse(store.labels[chosen], options.rows)
    ]
    title = f"Grad-CAM of {backbone}, sr: {store.attributes.get('sr', 'none')}"
    draw(rows, options.columns, title, figure, options.scale)


def predicted_or_top(probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (N, C): which labels reach 0.5, or the most probable one of a patch where none does."""
    predicted = probabilities >= 0.5
    predicted[np.arange(len(predicted)), probabilities.argmax(1)] = True
    return predicted


def maps_of(
    store: PatchStore, classifier: Path, chosen: NDArray[np.intp], machine: Machine
) -> tuple[Maps, Maps, str]:
    """Return probabilities (N, 19), maps (N, 19, h, w) and the backbone's name."""
    device = pick_device()
    batch_size = machine.batch(device, on_gpu=32, on_cpu=8)
    model, card = load_classifier(classifier, device)
    say(f"Grad-CAM of {len(chosen)} test patches; {describe(device)}, fp32, batch {batch_size}")

    def images(indices: NDArray[np.intp]) -> torch.Tensor:
        return normalise(torch.from_numpy(store.batch(indices)).to(device), card)

    class_maps = ClassMaps(model, find_layer(card.backbone, model, images(chosen[:1])))

    def in_batches(batch_size: int) -> tuple[Maps, Maps]:
        batches = np.split(chosen, range(batch_size, len(chosen), batch_size))
        results = [class_maps(images(batch)) for batch in progress(batches, "explain", "batch")]
        probabilities, maps = (np.concatenate(parts) for parts in zip(*results, strict=True))
        return probabilities, maps

    return *halving("explain", in_batches, batch_size), card.backbone

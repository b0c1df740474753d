"""A classifier and test patches in, a figure and numbers out."""

import json
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from srscene.classify.backbone import load_classifier, normalise
from srscene.console import BadInput, progress, say
from srscene.device import describe, pick_device
from srscene.explain.cam import ClassMaps, Maps
from srscene.explain.coverage import summarise
from srscene.explain.figure import Row, draw, most_diverse
from srscene.explain.layer import find_layer
from srscene.explain.options import ExplainOptions
from srscene.store import PatchStore


def explain(
    store: PatchStore, classifier: Path, options: ExplainOptions, metrics: Path, figure: Path
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
    probabilities, maps, backbone = _maps(store, classifier, chosen, options.batch_size)

    shown = predicted_or_top(probabilities)
    summary = {"patches": len(chosen), "grid": maps.shape[-1], **summarise(maps[shown])}
    if summary["empty"]:
        say(f"{summary['empty']} of {summary['cams']} maps are 0: nothing in the patch speaks for the label")
    metrics.parent.mkdir(parents=True, exist_ok=True)
    temporary = metrics.with_suffix(".tmp")
    temporary.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")
    os.replace(temporary, metrics)

    rows = [
        Row(store[int(chosen[i])], store.labels[chosen[i]], probabilities[i], maps[i])
        for i in most_diverse(store.labels[chosen], options.rows)
    ]
    draw(rows, options.columns, f"Grad-CAM of {backbone}, sr: {store.attributes.get('sr', 'none')}", figure)


def predicted_or_top(probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (N, C): which labels reach 0.5, or the most probable one of a patch where none does."""
    predicted = probabilities >= 0.5
    predicted[np.arange(len(predicted)), probabilities.argmax(1)] = True
    return predicted


def _maps(
    store: PatchStore, classifier: Path, chosen: NDArray[np.intp], batch_size: int
) -> tuple[Maps, Maps, str]:
    """Return probabilities (N, 19), maps (N, 19, h, w) and the backbone's name."""
    device = pick_device()
    model, card = load_classifier(classifier, device)
    say(f"Grad-CAM of {len(chosen)} test patches; {describe(device)}, fp32, batch {batch_size}")

    def images(indices: NDArray[np.intp]) -> torch.Tensor:
        batch = torch.from_numpy(np.stack([store[int(index)] for index in indices]))
        return normalise(batch.to(device), card)

    class_maps = ClassMaps(model, find_layer(card.backbone, model, images(chosen[:1])))
    batches = np.split(chosen, range(batch_size, len(chosen), batch_size))
    results = [class_maps(images(batch)) for batch in progress(batches, "explain", "batch")]
    probabilities, maps = (np.concatenate(parts) for parts in zip(*results, strict=True))
    return probabilities, maps, card.backbone

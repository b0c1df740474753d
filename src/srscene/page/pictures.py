"""Patches as each upscaler shows them and as classifiers see them, out of DVC's cache."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from srscene.compare.cell import Cell
from srscene.core import predictions
from srscene.core.classes import CLASSES, decode, short_label
from srscene.core.store import Image, PatchStore
from srscene.explain.coverage import share_above_half, to_blocks, to_patch_grid
from srscene.explain.figure import most_diverse
from srscene.explain.run import maps_of
from srscene.page.figures import Seen
from srscene.page.write import PatchPictures
from srscene.runtime.machine import Machine
from srscene.sr.shown import order_of
from srscene.sweep import experiments

UPSCALED, PATCHES, CLASSIFIER = "data/upscaled", "data/patches", "models/classifier"


@contextmanager
def opened(cells: Sequence[Cell]) -> Iterator[tuple[PatchStore, dict[str, PatchStore]]]:
    """Yield the ingested patches and the upscaled ones by upscaler, of each the first cell that has them.

    Raises BadInput where the cache lacks a file.
    """
    cache = experiments.cache()
    with TemporaryDirectory(prefix="srscene-") as folder:
        stores: dict[str, PatchStore] = {}
        for cell in sorted(cells, key=lambda cell: order_of(cell.sr)):
            if cell.sr not in stores and UPSCALED in cell.outs:
                into = Path(folder) / cell.sr
                stores[cell.sr] = PatchStore(experiments.link_folder(cell.outs[UPSCALED], cache, into))
        first = next(cell for cell in cells if PATCHES in cell.outs)
        raw = experiments.link_folder(first.outs[PATCHES], cache, Path(folder) / "patches")
        yield PatchStore(raw), stores


def chosen(patches: PatchStore, count: int) -> list[int]:
    """Return test patches that show many classes."""
    test = patches.indices("test")
    return [int(test[row]) for row in most_diverse(patches.labels[test], min(count, len(test)))]


def side_by_side(
    patches: PatchStore, stores: dict[str, PatchStore], indices: Sequence[int], cells: Sequence[Cell]
) -> list[PatchPictures]:
    """Return each patch under every upscaler, with what one backbone's first training says of it."""
    told = _told(cells)
    found = []
    for index in indices:
        name = patches.names[index]
        pictures: dict[str, Image] = {"none": patches[index]}
        pictures |= {sr: store[index] for sr, store in stores.items() if sr != "none"}
        if patches.has_reference:
            pictures["truth"] = patches.reference(index)
        labels = [short_label(label) for label in decode(patches.labels[index])]
        chances = {sr: scores[name].tolist() for sr, scores in told.items() if name in scores}
        found.append(PatchPictures(name, labels, pictures, chances))
    return found


def _told(cells: Sequence[Cell]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the probabilities (19,) by upscaler and patch, of the first backbone's first training."""
    told: dict[str, dict[str, NDArray[np.float32]]] = {}
    for cell in cells:
        if cell.backbone == cells[0].backbone and cell.sr not in told and cell.predictions is not None:
            test = predictions.read(cell.predictions)[0]["test"]
            told[cell.sr] = dict(zip(test.names, test.probabilities, strict=True))
    return told


def seen(
    stores: dict[str, PatchStore], index: int, cells: Sequence[Cell], machine: Machine
) -> tuple[str, dict[tuple[str, str], Seen]]:
    """Return a label, and its Grad-CAM in a patch under each upscaler × backbone, of the first trainings.

    The label is the patch's own that the classifiers find most probable together.
    """
    cache = experiments.cache()
    maps: dict[tuple[str, str], tuple[Image, NDArray[np.float32], NDArray[np.float32]]] = {}
    with TemporaryDirectory(prefix="srscene-") as folder:
        for cell in cells:
            key = (cell.sr, cell.backbone)
            if key not in maps and cell.sr in stores and CLASSIFIER in cell.outs:
                into = Path(folder) / cell.name
                classifier = experiments.link_folder(cell.outs[CLASSIFIER], cache, into)
                store = stores[cell.sr]
                chances, heat, _ = maps_of(store, classifier, np.array([index]), machine)
                maps[key] = store[index], chances[0], heat[0]
    own = np.flatnonzero(next(iter(stores.values())).labels[index])
    label = int(own[np.mean([chances[own] for _, chances, _ in maps.values()], 0).argmax()])
    return short_label(CLASSES[label]), {
        key: Seen(image, heat[label], float(chances[label]), coverage(heat[label]))
        for key, (image, chances, heat) in maps.items()
    }


def coverage(heat: NDArray[np.float32]) -> float:
    """Return the share of blocks of 300 m in which a map (h, w) reaches half of its maximum; 0 if empty."""
    if not heat.any():
        return 0.0
    return float(share_above_half(to_blocks(to_patch_grid(heat[None] / heat.max())))[0])

"""The stages as `benchmarks.scale` measures them: python -m benchmarks.scale_stages STAGE FOLDER PATCHES

Each function makes ready, in a folder where the stages before have left what they made, and returns the call
that is measured. A process of this module prints the call's seconds, of all cores together.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ingest import make_tree
from benchmarks.reading import textures
from srscene.core.classes import CLASSES
from srscene.core.store import SPLITS, Image, Patch, PatchStore
from srscene.ingest.splits import Listed, read_splits
from srscene.raw.layout import V1_FOLDER, write_lists
from srscene.runtime import params

TINY, FULL = 8, 120
"""Side of a patch here, and of BigEarthNet's."""
BACKBONE = "test_resnet"
"""One of timm's smallest: 0.4 million parameters."""
POOL = 997
"""Different images and label sets; a prime, so that they fall on all products and splits."""

Call = Callable[[], object]


def names(folder: Path, size: int) -> dict[str, Listed]:
    """Return so many patches of the official lists, as `ingest` reads them."""
    raw = folder / "raw"
    if not raw.exists():
        raw.mkdir()
        listed = read_splits(raw).listed
        if size < len(listed):
            ordered = sorted(listed)
            part = [ordered[index * len(ordered) // size] for index in range(size)]
            write_lists(raw, {split: [n for n in part if listed[n].split == split] for split in SPLITS})
    return read_splits(raw).listed


def patches(listed: dict[str, Listed], images: Image) -> Iterator[Patch]:
    """Yield a patch for each name, of labels and images (N, H, W, 3) that come again and again."""
    labels = (np.random.default_rng(3).random((POOL, len(CLASSES))) < 0.15).astype(np.uint8)
    for number, name in enumerate(sorted(listed)):
        image = images[number % len(images)]
        yield Patch(name, listed[name].split, labels[number % POOL], image)


def find(folder: Path, size: int) -> Call:
    """Return what looks for the patches in an extracted tree."""
    from srscene.ingest.sources import find_patches

    listed = names(folder, size)
    for name in listed:
        (folder / "raw" / V1_FOLDER / name).mkdir(parents=True)
    return lambda: list(find_patches(folder / "raw", listed))


def ingest(folder: Path, size: int) -> Call:
    """Return what reads the lists and fills the shards; to decode a patch takes no more with their number."""
    from srscene.core.writer import write_store

    names(folder, size)
    tiny = np.random.default_rng(1).integers(0, 256, (POOL, TINY, TINY, 3), np.uint8)
    attributes = {"dataset": "bigearthnet", "bands": ["B04", "B03", "B02"], "reflectance_max": 2000}
    return lambda: write_store(folder / "patches", patches(names(folder, size), tiny), attributes)


def upscale(folder: Path, size: int) -> Call:
    from srscene.sr.common.names import options_of
    from srscene.sr.run import upscale_store

    options = params.read("upscalers.bicubic.upscale", options_of("bicubic")[1])
    (folder / "models/upscaler").mkdir(parents=True)
    return lambda: upscale_store(
        "bicubic", options, _machine(256), PatchStore(folder / "patches"), folder / "models/upscaler",
        folder / "upscaled", "a benchmark",
    )  # fmt: skip


def assess(folder: Path, size: int) -> Call:
    from srscene.assess.report import assess_store

    return lambda: assess_store(
        PatchStore(folder / "patches"), PatchStore(folder / "upscaled"), folder / "a.json", folder / "a.png"
    )


def train(folder: Path, size: int) -> Call:
    """Return an epoch of a very small backbone."""
    from srscene.classify import train as training
    from srscene.classify.options import ClassifierOptions

    values = params.load()["classifier"] | {
        "epochs": 1, "batch_size": 256, "crop": 1.0, "validate_every": 1, "precision": "fp32",
    }  # fmt: skip
    options = params.validated(values, "classifier", ClassifierOptions)
    return lambda: training.train(
        PatchStore(folder / "upscaled"), BACKBONE, options, 0, _machine(256), folder / "models/classifier",
        folder / "training.csv", "a benchmark",
    )  # fmt: skip


def predict(folder: Path, size: int) -> Call:
    from srscene.classify import predict as prediction

    return lambda: prediction.predict(
        PatchStore(folder / "upscaled"), folder / "models/classifier", _machine(256), folder / "p.h5"
    )


def evaluate(folder: Path, size: int) -> Call:
    """Return the evaluation with 1,000 resamples."""
    from srscene.evaluate import run as evaluation
    from srscene.evaluate.options import EvaluateOptions

    return lambda: evaluation.evaluate(
        folder / "p.h5", folder / "training.csv", folder / "models/classifier/card.json",
        EvaluateOptions(threshold=0.5, resamples=1000), 0, folder, folder, folder / "card.md",
    )  # fmt: skip


def explain(folder: Path, size: int) -> Call:
    from srscene.explain import run as explanation
    from srscene.explain.options import ExplainOptions

    options = params.read("explain", ExplainOptions)
    return lambda: explanation.explain(
        PatchStore(folder / "upscaled"), folder / "models/classifier", options, _machine(), folder / "e.json",
        folder / "e.png",
    )  # fmt: skip


def ingest_real(folder: Path, size: int) -> Call:
    """Return the ingestion of a tree of real patches, RGB bands and label files."""
    from benchmarks.ingest import OPTIONS
    from srscene.ingest.ingest import ingest as whole

    make_tree(folder / "tree", size, os.link)
    return lambda: whole(folder / "tree", folder / "ingested", "bigearthnet", OPTIONS)


def write_real(folder: Path, size: int) -> Call:
    """Return what writes images of 480×480, enlarged noise that is moved on with each round."""
    from srscene.core.writer import write_store

    listed, images = names(folder, size), textures(48, 4 * FULL)
    moved = (
        patch._replace(image=np.roll(patch.image, number, 0))
        for number, patch in enumerate(patches(listed, images))
    )
    return lambda: write_store(folder / "upscaled", moved, {})


def assess_real(folder: Path, size: int) -> Call:
    """Return the assessment of what `write_real` wrote, against other patches of these names."""
    from srscene.assess.report import assess as whole
    from srscene.core.writer import write_store

    write_store(folder / "patches", patches(names(folder, size), textures(48, FULL)), {})
    return lambda: whole(PatchStore(folder / "patches"), PatchStore(folder / "upscaled"))


def read_real(folder: Path, size: int) -> Call:
    """Return what reads all images, in batches of 64 in random order, as training does."""

    def read() -> None:
        store = PatchStore(folder / "upscaled")
        order = iter(np.random.default_rng(0).permutation(len(store)))
        while batch := list(islice(order, 64)):
            store.batch(batch)

    return read


def _machine(batch_size: int | str = "auto") -> Any:
    from srscene.runtime.machine import Machine

    return Machine.model_validate({"batch_size": batch_size, "workers": 0})


STAGES: dict[str, Callable[[Path, int], Call]] = {
    "find a tree's patches": find,
    "ingest": ingest,
    "upscale, bicubic": upscale,
    "assess": assess,
    "train, an epoch": train,
    "predict": predict,
    "evaluate": evaluate,
    "explain": explain,
}
REAL_STAGES: dict[str, Callable[[Path, int], Call]] = {
    "ingest 120×120": ingest_real,
    "write 480×480": write_real,
    "read 480×480": read_real,
    "assess 480×480": assess_real,
}


def main(stage: str, folder: str, size: str) -> None:
    """Do a stage in this process and print its seconds."""
    call = (STAGES | REAL_STAGES)[stage](Path(folder), int(size))
    start = time.process_time()
    call()
    print(time.process_time() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the tests of training share: stores that can be learnt, and options that are quick."""

from pathlib import Path
from typing import Any

import numpy as np

from srscene.classify.options import ClassifierOptions
from srscene.core.classes import CLASSES
from srscene.core.store import Patch, PatchStore
from srscene.core.writer import write_store as write_patches
from tests.options import section

ATTRIBUTES = {"sr": "bicubic", "options": {"scale": 4}, "scale": 4, "bands": ["B04", "B03", "B02"]}
PER_SHARD = 15


def write_store(
    folder: Path,
    train: int = 20,
    val: int = 7,
    test: int = 6,
    side: int = 48,
    attributes: dict[str, Any] = ATTRIBUTES,
    flat: bool = False,
) -> PatchStore:
    """Write patches whose label is shown by the channel that is bright; `flat` ones have one colour each."""
    random = np.random.default_rng(5)
    splits = ["train"] * train + ["val"] * val + ["test"] * test
    patches = []
    for index, split in enumerate(splits):
        labels = np.zeros(len(CLASSES), np.uint8)
        labels[index % 3] = 1
        size = (1, 1, 3) if flat else (side, side, 3)
        image = np.broadcast_to(random.integers(0, 60, size), (side, side, 3)).astype(np.uint8)
        image[..., index % 3] += 150
        patches.append(Patch(f"patch_{index:03d}", split, labels, image))  # type: ignore[arg-type]
    write_patches(folder, patches, attributes, PER_SHARD)
    return PatchStore(folder)


def quick(**changes: Any) -> ClassifierOptions:
    """Return the options of params.yaml, made to train a small backbone in a second."""
    values = {"epochs": 3, "learning_rate": 0.003, "crop": 0.7, "validate_every": 1, "precision": "fp32"}
    return section("classifier", ClassifierOptions, **(values | changes))

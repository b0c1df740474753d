"""A small store whose labels can be seen in the images, and settings that train in seconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from srscene.classify.options import ClassifierOptions
from srscene.labels import CLASSES
from srscene.store import Patch, PatchStore, ShardWriter, shard_path

MakeStore = Callable[..., PatchStore]


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    def make(train: int = 20, val: int = 7, test: int = 6, side: int = 48, sr: str = "bicubic") -> PatchStore:
        folder = tmp_path / "data" / "upscaled"
        random = np.random.default_rng(5)
        splits = ["train"] * train + ["val"] * val + ["test"] * test
        per_shard = 15
        for number, start in enumerate(range(0, len(splits), per_shard)):
            with ShardWriter(shard_path(folder, number), per_shard, {"sr": sr, "scale": 4}) as shard:
                for index, split in enumerate(splits[start : start + per_shard], start):
                    labels = np.zeros(len(CLASSES), np.uint8)
                    labels[index % 3] = 1  # shown by the channel that is bright
                    image = random.integers(0, 60, (side, side, 3)).astype(np.uint8)
                    image[..., index % 3] += 150
                    shard.add(Patch(f"patch_{index:03d}", split, labels, image))  # type: ignore[arg-type]
        return PatchStore(folder)

    return make


@pytest.fixture
def options() -> ClassifierOptions:
    return ClassifierOptions(
        epochs=3, batch_size=8, learning_rate=0.003, weight_decay=0.05, warmup=0.1, crop=0.7,
        validate_every=1, precision="fp32",
    )  # fmt: skip

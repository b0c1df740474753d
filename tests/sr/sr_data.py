"""Weights, images and stores for the tests of srscene.sr."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from srscene.core.store import SPLITS, Patch, PatchStore
from srscene.core.writer import write_store
from srscene.sr.common.names import options_of
from tests.options import section

DATA = Path(__file__).parents[1] / "data/sr"
SHARED = Path(__file__).parents[3] / "shared/fixtures/sr"


def weights(model: str, folder: Path = DATA) -> dict[str, torch.Tensor]:
    """A fixture's state dict; HAT's index buffers as int64, as in real checkpoints."""
    state = {}
    for part in sorted(folder.glob(f"{model}.weights*.safetensors")):
        state |= load_file(part)
    assert state, model
    return {name: value.long() if value.dtype == torch.int16 else value for name, value in state.items()}


def checkpoint(model: str, path: Path) -> Path:
    """Write a fixture's weights as one file."""
    save_file(weights(model), path)
    return path


def images(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """(count, height, width, 3) uint8: smooth fields with edges, which resemble land more than noise does."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    result = np.empty((count, height, width, 3), np.uint8)
    for image in result:
        field = sum(
            np.sign(np.sin(rows * a + columns * b + c)) * d
            for a, b, c, d in rng.uniform((-0.4, -0.4, 0, 5), (0.4, 0.4, 6, 30), (6, 4))
        )
        image[:] = np.clip(field[..., None] + rng.uniform(60, 180, 3), 0, 255)
    return result


def weights_options(name: str, **changes: Any) -> Any:
    """Those of params.yaml for the stage `weights`, with some values replaced."""
    return section(f"upscalers.{name}.weights", options_of(name)[0], **changes)


def upscale_options(name: str, **changes: Any) -> Any:
    """Those of params.yaml for the stage `upscale`, with some values replaced."""
    return section(f"upscalers.{name}.upscale", options_of(name)[1], **changes)


def store(
    folder: Path,
    pixels: np.ndarray,
    references: np.ndarray | None = None,
    attributes: dict[str, Any] | None = None,
) -> PatchStore:
    """A store of `pixels` whose splits and labels take turns."""
    labels = np.eye(19, dtype=np.uint8)
    patches = [
        Patch(f"patch_{index}", SPLITS[index % 3], labels[index % 19], image)
        for index, image in enumerate(pixels)
    ]
    if references is not None:
        patches = [patch._replace(reference=image) for patch, image in zip(patches, references, strict=True)]
    write_store(folder, patches, attributes or {})
    return PatchStore(folder)

"""What tests of `srscene upscale` share: upscalers in fp32, and the scene through one of them."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from srscene.core.tables import write_json
from srscene.runtime.machine import Machine
from srscene.scene.model import Model, find_model
from srscene.scene.source import open_scene
from srscene.scene.upscale import upscale_scene
from tests.sr.sr_data import checkpoint, upscale_options

ONE = Machine(batch_size=1, workers=0)
UNIT: dict[str, Any] = {"offset": 0, "scale": 10_000, "reflectance_max": 2000}
STRIPS: dict[str, Any] = {"compress": "deflate", "blockysize": 8}


def model_of(name: str, folder: Path, fixture: str | None = None, **options: Any) -> Model:
    """An upscaler in fp32, with a fixture's random weights, or those that are in the folder."""
    if fixture:
        checkpoint(fixture, folder / "weights.safetensors")
    if name not in ("none", "bicubic"):
        options |= {"precision": "fp32"}
    write_json(folder / "card.json", {"sr": name})
    return find_model(name, folder, None, upscale_options(name, **options))


def upscaled(
    path: Path, model: Model, out: Path, opening: dict[str, Any] = UNIT, **how: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The output's (H, W, 3) and its mask."""
    with open_scene(path, **opening) as scene:
        upscale_scene(scene, model, ONE, out, **how)
    with rasterio.open(out) as file:
        return file.read().transpose(1, 2, 0), file.dataset_mask() > 0


def damage(path: Path) -> None:
    """Overwrite what lies in the middle of a file; zeros there GDAL may take for data."""
    data = path.read_bytes()
    middle = len(data) * 3 // 5
    path.write_bytes(data[:middle] + b"\xff" * 400 + data[middle + 400 :])

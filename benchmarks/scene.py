"""Seconds and peak memory of `srscene upscale` by the scene's size: python -m benchmarks scene [--quick]

Beside them, what peers make of a scene (scene_peers.py). Each size in a process of its own. The scene is a
GeoTIFF of synthetic land, repeated; one thread computes.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from benchmarks.common import Row, peak_memory

SIZES = (1024, 4096, 10_980)
"""Pixels along a side; the last is a whole Sentinel-2 tile."""
QUICK = (512, 1024)
NETWORK_SIZES = (512, 1024, 2048)
"""For SRResNet, which computes a thousand times as long as bicubic interpolation."""
BLOCK = 512
CODE = """
import os, sys
from pathlib import Path
from srscene.runtime.machine import Machine
from srscene.scene.model import find_model
from srscene.scene.source import open_scene
from srscene.scene.upscale import upscale_scene
name, weights, scene, out = sys.argv[1:]
os.environ["DVC_ROOT"] = str(Path(out).parent)
model = find_model(name, Path(weights))
with open_scene(scene, offset=0, scale=10_000, reflectance_max=2000) as opened:
    upscale_scene(opened, model, Machine(batch_size=1, workers=0), Path(out))
"""


def run(quick: bool) -> list[Row]:
    """Measure bicubic interpolation, a small SRResNet of random weights, and peers with a network like it."""
    from benchmarks import scene_peers

    rows = []
    with TemporaryDirectory() as folder:
        for name, sizes in (("bicubic", SIZES), ("srresnet", NETWORK_SIZES)):
            rows += measure(name, QUICK if quick else sizes, Path(folder))
        rows += scene_peers.run(Path(folder) / "peers")
    return rows


def measure(name: str, sizes: tuple[int, ...], folder: Path) -> list[Row]:
    """Return seconds and peak memory of one upscaler at each size; ratios are against the first size."""
    weights = _weights(name, folder / name)
    rows: list[Row] = []
    first = 0.0
    for size in sizes:
        scene, out = write_scene(folder / "scene.tif", size), folder / "out.tif"
        start = time.perf_counter()
        peak = peak_memory(CODE, name, weights, scene, out)
        rows.append(Row("scene", f"{name} {size:,}², time", time.perf_counter() - start, "s"))
        first = first or peak
        rows.append(Row("scene", f"{name} {size:,}², peak memory", peak, "MiB", peak / first))
        out.unlink()
    return rows


def _weights(name: str, folder: Path) -> Path:
    """Make a folder of weights: of 16 features and 4 blocks for SRResNet, none for bicubic."""
    folder.mkdir()
    if name == "srresnet":
        import torch

        from srscene.sr.common.checkpoints import save
        from srscene.sr.srresnet.model.network import new

        torch.manual_seed(0)
        save(new(16, 4).state_dict(), folder)
    return folder


def write_scene(path: Path, size: int) -> Path:
    """Write a GeoTIFF of size × size pixels, one block of land again and again."""
    rng = np.random.default_rng(0)
    smooth = rng.normal(0, 150, (3, BLOCK // 8, BLOCK // 8)).repeat(8, 1).repeat(8, 2)
    block = (smooth + rng.normal(700, 30, (3, BLOCK, BLOCK))).clip(1, 10_000).astype(np.uint16)
    grid = {"crs": "EPSG:32632", "transform": Affine(10, 0, 499_980, 0, -10, 5_700_000)}
    layout = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "count": 3, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", height=size, width=size, **grid, **layout) as file:
        file.descriptions = ("B04", "B03", "B02")
        for top in range(0, size, BLOCK):
            for left in range(0, size, BLOCK):
                height, width = min(BLOCK, size - top), min(BLOCK, size - left)
                file.write(block[:, :height, :width], window=Window(left, top, width, height))
    return path

"""Seconds and peak memory of `srscene upscale` by the scene's size: python -m benchmarks scene [--quick]

Beside them, what peers make of a scene (scene_peers.py). Each size in a process of its own. The scene is a
GeoTIFF of synthetic land, repeated; one thread computes.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import scene_peers
from benchmarks.common import Row, peak_memory, write_scene

SIZES = (1024, 4096, 10_980)
"""Pixels along a side; the last is a whole Sentinel-2 tile."""
QUICK = (512, 1024)
NETWORK_SIZES = (512, 1024, 2048)
"""For SRResNet, which computes a thousand times as long as bicubic interpolation."""
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

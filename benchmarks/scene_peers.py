"""`srscene upscale` beside sen2sr's predict_large and opensr-utils: the same network on the same scenes.

Each run is a process of its own, on one thread, in fp32. What a tool makes of a scene is held against the
network's output for the whole scene at once. The peers are optional: pip install sen2sr opensr-utils
"""

import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from torch import nn

from benchmarks.common import Row, peak_memory, write_scene
from srscene.runtime.console import brief, say
from srscene.scene.seams import strength
from srscene.sr.common.checkpoints import read, save, weights_file
from srscene.sr.srresnet.model.network import build, new

SCALE, SIDE, SHORT, LARGE = 4, 512, 384, 1536
"""Of the network; of the scenes, pixels; only time and memory are measured on the large one."""
UNIT, WHITE = 10_000, 2_000
"""Stored number of a reflectance of 1, and the one that becomes 255."""
HOLE = (slice(200, 240), slice(300, 360))
"""Rows and columns without data."""
AROUND = 8
"""Pixels about the hole that are looked at."""


class Tool(NamedTuple):
    """`code` makes `out` of `scene`; tiles meet at `seams`, and fade `halo` pixels to each side."""

    code: str
    seams: range
    halo: int


TOOLS = {
    "srscene": Tool(
        """
import os
from srscene.runtime.machine import Machine
from srscene.scene.model import find_model
from srscene.scene.source import open_scene
from srscene.scene.upscale import upscale_scene
from srscene.sr.srresnet.options import UpscaleOptions
os.environ["DVC_ROOT"] = str(Path(out).parent)
model = find_model("srresnet", Path(weights).parent, 2_000, UpscaleOptions(precision="fp32", compile=False))
with open_scene(scene, offset=0, scale=10_000, reflectance_max=2_000) as opened:
    upscale_scene(opened, model, Machine(batch_size=1, workers=0), Path(out))
""",
        range(256, SIDE, 256),
        0,
    ),
    "sen2sr": Tool(
        """
from sen2sr import predict_large
with rasterio.open(scene) as file:
    image, profile, bounds = file.read().astype("float32") / 10_000, file.profile, file.bounds
with torch.inference_mode():
    larger = predict_large(torch.from_numpy(image), Reflectance(Path(weights)), overlap=32)
height, width = larger.shape[1:]
place = rasterio.transform.from_bounds(*bounds, width, height)
profile.update(height=height, width=width, transform=place)
with rasterio.open(out, "w", **profile) as file:
    file.write((larger * 10_000).round().clamp(0, 65_535).numpy().astype("uint16"))
""",
        range(112, SIDE, 96),
        0,
    ),
    "opensr-utils": Tool(
        """
from opensr_utils import super_resolve
network = Reflectance(Path(weights))
super_resolve(scene, network, output=out, factor=4, overlap=32, batch_size=1, device="cpu")
""",
        range(112, SIDE, 96),
        16,
    ),
}
"""As documented, with an overlap of 32 pixels; sen2sr leaves reading and writing to its caller."""
PRELUDE = """
import sys
from pathlib import Path
import rasterio, rasterio.transform, torch
from benchmarks.scene_peers import Reflectance
torch.set_num_threads(1)
weights, scene, out = sys.argv[1:]
"""


class Reflectance(nn.Module):
    """The network, on reflectance from 0 to 1 as the peers have it."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.network = build(read(weights), weights).eval()

    def forward(self, reflectance: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, 3, 4·H, 4·W)."""
        levels = (reflectance * UNIT).round().clamp(0, WHITE).mul(255).div(WHITE).floor()  # as we ingest
        output: torch.Tensor = self.network(levels / 255)
        return output.clamp(0, 1) * (WHITE / UNIT)


def run(folder: Path) -> list[Row]:
    """Measure ours and those peers that are installed."""
    torch.manual_seed(0)
    network = new(16, 4)
    nn.init.normal_(network.conv_last.weight, std=0.02)  # `new` leaves it zero, and no tile would need a halo
    save(network.state_dict(), folder)
    tools = [tool for tool in TOOLS if find_spec(tool.replace("-", "_"))]
    if len(tools) < len(TOOLS):
        say("scene: for the peers, pip install sen2sr opensr-utils")
    scenes = _write_scenes(folder)
    wholes = {name: _whole(weights_file(folder), scenes[name]) for name in ("square", "narrow")}
    return [row for tool in tools for row in _measure(tool, folder, scenes, wholes)]


def _measure(tool: str, folder: Path, scenes: dict[str, Path], wholes: dict[str, NDArray]) -> list[Row]:
    name, weights = f"{tool} {version(tool)}", weights_file(folder)
    code = PRELUDE + TOOLS[tool].code
    outs = {scene: folder / f"{tool}-{scene}.tif" for scene in scenes}
    rows = []
    for scene, side in (("square", SIDE), ("large", LARGE)):
        start = time.perf_counter()
        peak = peak_memory(code, weights, scenes[scene], outs[scene])
        rows.append(Row("scene", f"{name}, {side}×{side}: time", time.perf_counter() - start, "s"))
        rows.append(Row("scene", f"{name}, {side}×{side}: peak memory", peak, "MiB"))
    peak_memory(code, weights, scenes["hole"], outs["hole"])
    plain, pierced = _levels(outs["square"]), _levels(outs["hole"])
    command = [sys.executable, "-c", code, *map(str, (weights, scenes["narrow"], outs["narrow"]))]
    done = subprocess.run(command, capture_output=True, text=True)
    became = f"fails: {brief(done.stderr.splitlines()[-1])}" if done.returncode else "is upscaled"
    if not done.returncode and _off(_levels(outs["narrow"]), wholes["narrow"]) > 0.1:
        became = "comes back as something else"
    say(f"scene: {name}: a scene of {SHORT}×{SIDE} pixels {became}")
    return [
        *rows,
        Row("scene", f"{name}: values a level or more off", _off(plain, wholes["square"]), "%"),
        Row("scene", f"{name}: gradients across seams, over the same of the whole", _seam(tool, folder), "×"),
        Row("scene", f"{name}: of what is nodata, so in the output", _masked(outs["hole"]), "%"),
        Row(
            "scene", f"{name}: change of the {AROUND} pixels around nodata", _around(pierced, plain), "levels"
        ),
    ]


def _write_scenes(folder: Path) -> dict[str, Path]:
    """Write a square scene, a larger one, the first with a hole of nodata, and one that is not square."""
    scenes = {name: folder / f"{name}.tif" for name in ("square", "large", "hole", "narrow")}
    write_scene(scenes["square"], SIDE)
    write_scene(scenes["large"], LARGE)
    with rasterio.open(scenes["square"]) as file:
        image, profile, names = file.read(), file.profile, file.descriptions
    pierced = image.copy()
    pierced[:, *HOLE] = 0
    for path, pixels, extra in (
        (scenes["hole"], pierced, {"nodata": 0}),
        (scenes["narrow"], image[:, :SHORT], {"height": SHORT}),
    ):
        with rasterio.open(path, "w", **{**profile, **extra}) as file:
            file.write(pixels)
            file.descriptions = names
    return scenes


def _whole(weights: Path, path: Path) -> NDArray[np.float32]:
    """Return the network's output for a whole scene, and write it beside the weights, both as levels."""
    with rasterio.open(path) as file:
        image = torch.from_numpy(file.read().astype(np.float32) / UNIT)
    with torch.inference_mode():
        whole = (Reflectance(weights)(image[None])[0] * (UNIT * 255 / WHITE)).numpy()
    size = {"count": len(whole), "height": whole.shape[1], "width": whole.shape[2]}
    with rasterio.open(
        weights.parent / f"whole-{path.name}", "w", driver="GTiff", dtype="float32", **size
    ) as file:
        file.write(whole)
    return whole


def _levels(path: Path) -> NDArray[np.float32]:
    """Return what a tool wrote as levels from 0 to 255."""
    with rasterio.open(path) as file:
        image = file.read().astype(np.float32)
    return image if file.dtypes[0] == "uint8" else image * np.float32(255 / WHITE)


def _off(levels: NDArray, whole: NDArray) -> float:
    """Return the per cent of values that differ by a level or more; all where the shapes do."""
    return 100 * float((np.abs(levels - whole) >= 1).mean()) if levels.shape == whole.shape else 100.0


def _seam(tool: str, folder: Path) -> float:
    """Return the strength of a tool's seams over that of the same places in the whole scene's output."""
    _, seams, halo = TOOLS[tool]
    found = []
    for path in (folder / f"{tool}-square.tif", folder / "whole-square.tif"):
        with rasterio.open(path) as file:
            found.append(strength(file, seams, seams, halo, SCALE) or 0.0)
    return found[0] / found[1]


def _scaled() -> tuple[slice, slice]:
    rows, columns = (slice(SCALE * part.start, SCALE * part.stop) for part in HOLE)
    return rows, columns


def _masked(out: Path) -> float:
    with rasterio.open(out) as file:
        return 100 * float((file.read_masks(1, window=Window.from_slices(*_scaled())) == 0).mean())


def _around(pierced: NDArray, plain: NDArray) -> float:
    """Return how much the valid pixels next to the hole differ from what they are without it."""
    rows, columns = _scaled()
    far = SCALE * AROUND
    ring = np.zeros(pierced.shape[1:], bool)
    ring[rows.start - far : rows.stop + far, columns.start - far : columns.stop + far] = True
    ring[rows, columns] = False
    return float(np.abs(pierced - plain)[:, ring].mean())

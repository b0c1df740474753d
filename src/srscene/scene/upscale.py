"""Upscales a scene of any size: windows in, rows of tiles out, with memory that does not grow with it.

A finished row of tiles is kept in scratch, so that a run which was killed goes on behind it.
"""

import json
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine

from srscene.runtime.console import BadInput, say
from srscene.runtime.device import describe, halving, kind_of, pick_device
from srscene.runtime.files import need
from srscene.runtime.key import scene_key, with_device
from srscene.runtime.machine import Machine
from srscene.runtime.params import recorded
from srscene.runtime.parts import claimed, remove
from srscene.scene.cog import Layout, write_cog
from srscene.scene.model import Model
from srscene.scene.out import check_out
from srscene.scene.rows import BlendedRows, Rows
from srscene.scene.seams import strength
from srscene.scene.source import Scene
from srscene.scene.tiles import SMALLEST, Pixels, padded
from srscene.sr.common.upscaler import Seams, Upscale

SUFFIXES = (".tif", ".tiff")
JOINED = 5_000_000
"""Pixels a second that became the file, with overviews, of a whole tile on one core; GDAL's copy tells no
progress here.
"""
PATCH = 120
"""Side of the patches that an upscaler's batch sizes count."""


def upscale_scene(
    scene: Scene,
    model: Model,
    machine: Machine,
    out: Path,
    reflectance: bool = False,
    tile: int | None = None,
) -> None:
    """Write `scene`, upscaled, to the cloud-optimised GeoTIFF `out`.

    8-bit levels as the models see them, or with `reflectance` numbers as the scene stores them: uint16, or
    float32 where its own are floats or uint16 can't hold them. `tile` is the side of what a tile gives, in
    pixels of the scene. Raises BadInput, before anything is computed, where `out` can't be written.
    """
    check_out(out, scene, SUFFIXES)
    device = pick_device()
    precision = model.upscaler.precision(model.options, device)
    seams = _seams(model, tile)
    patches = machine.batch(device, model.upscaler.gpu_batch, model.upscaler.cpu_batch)
    batch = max(1, patches * PATCH**2 // (seams.tile + 2 * seams.halo) ** 2)
    tags = _tags(model, precision) | scene.tags()
    dtype = _reflectance_dtype(scene) if reflectance else "uint8"
    settings = [scene.stamps(), scene.radiometry, tags, model.beside, seams, dtype, batch]
    key = with_device(scene_key("upscale", model.name, settings), kind_of(device), precision)
    with claimed("scene", key) as folder:
        say(
            f"upscale: {model.name} on {describe(device)}, {precision}, batches of {batch} tiles of "
            f"{seams.tile}+2·{seams.halo} pixels: a scene of {scene.width:,}×{scene.height:,}"
        )
        upscale = model.load(device, precision)
        probe = np.zeros((1, 1, 3), np.uint8)
        least = SMALLEST if seams.blended else 1  # of a convolution, more would not be the scene's own edge
        enlarge = partial(_run, upscale, device, least)
        scale = enlarge(1, [probe], ["probe"])[0].shape[0]
        layout = Layout(
            height=scene.height * scale,
            width=scene.width * scale,
            transform=scene.transform @ Affine.scale(1 / scale),
            crs=scene.crs,
            dtype=dtype,
            radiometry=scene.radiometry,
            tags=tags,
        )
        need(folder, layout.height * layout.width * 3 * np.dtype(dtype).itemsize, "the upscaled scene")
        rows = (BlendedRows if seams.blended else Rows)(scene, seams, scale, layout, folder)
        halving("upscale", lambda size: rows.write(size, partial(enlarge, size)), batch)
        _join(rows.pieces(), layout, folder, out)
    remove(folder)
    seen = _strength(out, rows) if seams.blended else None
    told = f"; gradients across its tiles' seams are {seen:.2f} of those elsewhere" if seen else ""
    say(f"{out}: {layout.width:,}×{layout.height:,} pixels{told}")


def _join(pieces: Sequence[tuple[Path, int]], layout: Layout, folder: Path, out: Path) -> None:
    minutes = round(layout.height * layout.width / JOINED / 60)
    say(f"upscale: joins {len(pieces)} rows of tiles{f', in about {minutes} min' if minutes else ''}")
    write_cog(pieces, layout, folder, out)


def _reflectance_dtype(scene: Scene) -> str:
    return "uint16" if scene.dtype.kind in "ui" and scene.radiometry.whole else "float32"


def _seams(model: Model, tile: int | None) -> Seams:
    seams = model.upscaler.seams
    if tile is None:
        return seams
    least = max(16, 2 * seams.halo if seams.blended else 0)
    if tile < least:
        raise BadInput(
            f"--tile {tile}: expected at least {least} for {model.name}, whose halo is {seams.halo}"
        )
    return seams._replace(tile=tile)


@torch.inference_mode()
def _run(
    upscale: Upscale,
    device: torch.device,
    least: int,
    batch: int,
    windows: Sequence[Pixels],
    names: Sequence[str],
) -> list[Pixels]:
    """Return windows upscaled; copies of the last one fill the batch, since kernels round by its size.

    Smaller windows than `least` along a side are padded, and their pictures cut.
    """
    height, width = windows[0].shape[:2]
    full = [*windows, *[windows[-1]] * (batch - len(windows))]
    images = torch.from_numpy(padded(np.stack(full), least)).to(device)
    pictures = upscale(images, [*names, *[names[-1]] * (batch - len(names))])[: len(windows)]
    scale = pictures.shape[1] // images.shape[1]
    return list(pictures[:, : height * scale, : width * scale].cpu().numpy())


def _tags(model: Model, precision: str) -> dict[str, str]:
    """Return what the output says of how it was made."""
    return {
        "sr": model.name,
        "options": json.dumps(recorded(model.options)),
        "precision": precision,
        "weights_sha256": model.weights or "none",
        "reflectance_max": str(model.reflectance_max),
        "srscene": version("srscene"),
    }


def _strength(out: Path, rows: Rows) -> float | None:
    with rasterio.open(out) as file:
        return strength(file, rows.rows.seams(), rows.columns.seams(), rows.seams.halo, rows.scale)

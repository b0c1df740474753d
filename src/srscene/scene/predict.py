"""srscene predict SCENE -o OUT: a map of the 19 labels, a tile of 1.2 km at a time.

Each tile goes the way of a patch: 8 bits as ingested, the upscaler, the classifier, all rebuilt from the
classifier's card.
"""

import json
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.warp import transform

from srscene.core.classes import CLASSES, short_label
from srscene.runtime.console import BadInput, brief, progress, say
from srscene.runtime.device import describe, fitting, halving, kind_of
from srscene.runtime.key import scene_key, with_device
from srscene.runtime.machine import Machine
from srscene.runtime.parts import FINISHED, claimed, remove
from srscene.scene import raster, vector
from srscene.scene.classifier import SceneClassifier
from srscene.scene.cut import cut
from srscene.scene.familiarity import compare, distances
from srscene.scene.found import Found, Pieces, joined
from srscene.scene.grid import Grid, lay
from srscene.scene.out import check_out
from srscene.scene.source import Scene
from srscene.scene.tile_map import TileMap
from srscene.scene.tiles import give_back

PIXEL = 10
"""m, of Sentinel-2's red, green and blue, which the models are made for."""
TOLERANCE = 0.1
"""Share by which a scene's pixels may be larger or smaller."""
SUFFIXES = (*vector.FORMATS, ".tif")


@dataclass(frozen=True)
class Tiling:
    """Which tiles there are: `stride` is pixels, or half or full of a tile's side; `shift` pixels."""

    stride: str = "full"
    shift: int = 0
    least_valid: float = 0.95
    """Share of a tile's pixels that must hold data, 0..1."""


def predict_scene(
    scene: Scene,
    model: SceneClassifier,
    machine: Machine,
    out: Path,
    tiling: Tiling,
    threshold: float = 0.5,
    picture: Path | None = None,
) -> None:
    """Write the map of `scene` to `out`, as its suffix says, and perhaps draw it.

    Raises BadInput, before anything is computed, where that can't be written, for a scene of other pixels
    than 10 m, and for one without a tile; and where no tile has enough data.
    """
    check_out(out, scene, SUFFIXES)
    if picture:
        check_out(picture, scene, (".png",))
    _check_pixels(scene)
    if out.suffix in vector.FORMATS:
        vector.check(scene.crs, out)
    stride = _pixels(tiling.stride, model.tile)
    grid = lay(scene.name, scene.height, scene.width, model.tile, stride, tiling.shift)
    with claimed("predict", _key(scene, grid, model, tiling.least_valid, machine)) as folder:
        tiles = predict_tiles(scene, grid, model, tiling.least_valid, threshold, machine, folder)
        (raster if out.suffix == ".tif" else vector).write(tiles, out)
        if picture:
            from srscene.scene import figure  # it takes a second

            figure.draw(scene, tiles, picture)
    remove(folder)
    _tell(tiles, out)


def predict_tiles(
    scene: Scene,
    grid: Grid,
    model: SceneClassifier,
    least_valid: float,
    threshold: float,
    machine: Machine,
    folder: Path,
) -> TileMap:
    """Return the map of a scene; raises BadInput where no tile has enough data.

    What is found is kept in `folder`, and what an earlier run left there counts.
    """
    device, upscaler = model.device, model.upscaler
    batch_size = machine.batch(device, upscaler.gpu_batch, upscaler.cpu_batch)
    side = f"{model.tile} px ({model.tile * PIXEL / 1000:g} km)"
    say(
        f"predict: {model.card.backbone} in {model.card.precision} after {model.images.sr} in "
        f"{model.images.precision}; {describe(device)}, batches of {batch_size}: {len(grid):,} tiles of "
        f"{side}, {grid.stride} px apart; labels from {threshold:g} on"
    )
    find = partial(_find, scene, grid, model, least_valid, folder)
    parts = halving("predict", find, fitting(folder, batch_size), folder)
    if not parts:
        (folder / FINISHED).touch()  # nothing in it is worth keeping
        raise BadInput(
            f"{scene.name}: no tile has data in {least_valid:.0%} of its pixels; try a smaller --valid, or "
            "another scene"
        )
    found = joined(parts)
    distance = _distance(found.means, model)
    order = np.lexsort((found.columns, found.rows))
    return TileMap(
        grid, scene.transform, scene.crs, found.rows[order], found.columns[order], found.valid[order],
        distance[order], found.probabilities[order], threshold, _provenance(scene, model, threshold),
    )  # fmt: skip


def _key(scene: Scene, grid: Grid, model: SceneClassifier, least_valid: float, machine: Machine) -> str:
    """Return what stands for the scene, the model, and the code of both."""
    tiles = [scene.stamps(), scene.radiometry, scene.tags(), grid, least_valid, machine.batch_size]
    settings = [tiles, model.weights, str(model.card), model.beside]
    key = scene_key("predict", model.images.sr, settings)
    return with_device(key, kind_of(model.device), model.card.precision)


def _find(
    scene: Scene, grid: Grid, model: SceneClassifier, least_valid: float, folder: Path, batch_size: int
) -> list[Found]:
    """Return what is found in the tiles with enough data, those first that `folder` knows.

    Batches are full, as the pipeline's are: copies of the last tile fill up the last one.
    """
    stem = Path(scene.name).stem
    with Pieces(folder) as pieces:
        tiles = progress(cut(scene, grid, pieces.stop), "predict", "tile", len(grid), pieces.stop)
        numbered = enumerate(tiles, pieces.stop + 1)
        usable = (pair for pair in numbered if pair[1].valid > 0 and pair[1].valid >= least_valid)
        while pairs := list(islice(usable, batch_size)):
            stop, batch = pairs[-1][0], [tile for _, tile in pairs]
            full = batch + batch[-1:] * (batch_size - len(batch))
            names = [f"{stem}_{tile.row}_{tile.column}" for tile in full]
            results = model.predict(np.stack([tile.image for tile in full]), names)
            rows, columns = np.array([[tile.row, tile.column] for tile in batch], np.int32).T
            valid = np.array([tile.valid for tile in batch], np.float32)
            pieces.add(Found(rows, columns, valid, *(values[: len(batch)] for values in results)), stop)
            give_back()
        return pieces.found


def _check_pixels(scene: Scene) -> None:
    """Raise BadInput where pixels are not the 10 m ones that the models saw; without a CRS, they may be."""
    if scene.crs is None:
        say(f"{scene.name}: no CRS: its pixels are taken for {PIXEL} m, and the map has none either")
        return
    remedy = f"warp it, e.g. gdalwarp -t_srs EPSG:32633 -tr {PIXEL} {PIXEL} (your UTM zone)"
    if not scene.crs.is_projected:
        raise BadInput(f"{scene.name}: pixels in degrees, expected {PIXEL} m, as the models saw; {remedy}")
    sides = _on_the_ground(scene, scene.crs)
    across, down = np.hypot(*sides)
    if not all(abs(side / PIXEL - 1) <= TOLERANCE for side in (across, down)):  # nor where it is NaN
        raise BadInput(
            f"{scene.name}: pixels of {across:.3g} × {down:.3g} m on the ground, expected {PIXEL} m, as the "
            f"models saw; {remedy}"
        )
    if abs(sides[:, 0] @ sides[:, 1]) > TOLERANCE * across * down:
        raise BadInput(f"{scene.name}: slanted pixels, expected square ones, as the models saw; {remedy}")


def _on_the_ground(scene: Scene, crs: CRS) -> NDArray[np.float64]:
    """Return how the upper and the left side of the scene's middle pixel run, m, (east and north, side),
    whatever the CRS makes of its units.
    """
    column, row = scene.width / 2, scene.height / 2
    corners = [(column, row), (column + 1, row), (column, row + 1)]
    x, y = zip(*(scene.transform @ corner for corner in corners), strict=True)
    try:
        (longitude,), (latitude,) = transform(crs, CRS.from_epsg(4326), x[:1], y[:1])
        around = CRS.from_proj4(f"+proj=aeqd +lon_0={longitude} +lat_0={latitude} +datum=WGS84")  # true there
        east, north = np.array(transform(crs, around, x, y))
    except CPLE_BaseError as error:
        raise BadInput(
            f"{scene.name}: nowhere on Earth ({brief(error)}), expected a place in {crs.to_string()[:40]}; "
            "name the scene's own CRS: rio edit-info --crs EPSG:32633 SCENE"
        ) from None
    return np.array([east[1:] - east[0], north[1:] - north[0]])


def _pixels(stride: str, side: int) -> int:
    """Return a stride in pixels; raises BadInput for another word than full and half."""
    words = {"full": side, "half": side // 2}
    if stride not in words and not stride.isdecimal():
        raise BadInput(f"--stride: {stride!r}, expected half, full or pixels from 1 to {side}")
    return words[stride] if stride in words else int(stride)


def _distance(means: NDArray[np.floating], model: SceneClassifier) -> NDArray[np.float32]:
    """Return how far each tile lies from training, (N,), and say how far all do."""
    if model.card.statistics is None:
        say("the classifier's card tells nothing of its training images: no comparison with them")
        return np.full(len(means), np.nan, np.float32)
    say(compare(means, model.card.statistics))
    return np.asarray(np.abs(distances(means, model.card.statistics)).max(1))


def _provenance(scene: Scene, model: SceneClassifier, threshold: float) -> dict[str, str]:
    """Return what the map says of how it was made."""
    return {
        **scene.tags(),
        "reflectance_max": str(model.images.reflectance_max),
        "srscene": version("srscene"),
        "backbone": model.card.backbone,
        "classifier_precision": model.card.precision,
        "classifier_sha256": model.weights,
        "sr": model.images.sr,
        "upscaler_options": json.dumps(model.images.options),
        "upscaler_precision": model.images.precision,
        "upscaler_sha256": model.images.weights or "none",
        "threshold": f"{threshold:g}",
    }


def _tell(tiles: TileMap, out: Path) -> None:
    grid = tiles.grid
    below, right = grid.left_over
    skipped = len(grid) - len(tiles)
    notes = [f"{skipped:,} skipped for want of data"] if skipped else []
    if below or right:
        notes.append(f"the last {right} px at the right and {below} px below fill no tile")
    counts = tiles.labels.sum(0)
    common = [
        f"{short_label(CLASSES[index])} {counts[index]:,}"
        for index in np.argsort(-counts, kind="stable")[:5]
        if counts[index]
    ]
    say(
        f"{out}: {len(tiles):,} tiles{''.join(f'; {note}' for note in notes)}; "
        f"{'most labels: ' + ', '.join(common) if common else 'no label'}"
    )

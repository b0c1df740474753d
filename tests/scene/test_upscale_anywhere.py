"""Wherever a scene lies, however it is turned and whatever it lacks: its map shows the same ground."""

from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy.ndimage import binary_erosion

from srscene.sr.common.upscaler import find
from tests.scene.places import KINDS, WITHOUT_DATA, Place, lacking, on_the_ground, placed, places, some
from tests.scene.products import geotiff, land
from tests.scene.upscaling import UNIT, model_of, upscaled


class Size(NamedTuple):
    """Of a scene, and of what a tile gives."""

    height: int
    width: int
    tile: int


SIZES = st.builds(Size, st.integers(1, 150), st.integers(1, 150), st.integers(16, 64))
SEEDS = st.integers(0, 999)


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


@given(places(), SIZES)
@example(placed("EPSG:32632", 499_980, 5_700_000), Size(1, 150, 16))
@example(placed("EPSG:32733", 500_000, 8_000_020, south_up=True), Size(150, 1, 16))
@example(placed("EPSG:3035", 4_321_000.5, 3_210_000.25, 180), Size(7, 3, 64))
@example(placed("EPSG:3035", 4_321_000.5, 3_210_000.25, 1e-9), Size(17, 33, 16))
@some(8)
def test_the_map_has_the_scenes_crs_its_first_corner_and_a_quarter_of_its_pixels(
    tmp_path_factory: pytest.TempPathFactory, place: Place, size: Size
) -> None:
    folder = tmp_path_factory.mktemp("corner")
    path = geotiff(folder / "a.tif", land(size.height, size.width), **place._asdict())
    upscaled(path, model_of("bicubic", folder), folder / "out.tif", tile=size.tile)
    with rasterio.open(path) as scene, rasterio.open(folder / "out.tif") as file:
        assert scene.transform == place.transform  # else the test is of another place
        assert file.crs == CRS.from_string(place.crs)
        assert file.transform == place.transform @ Affine.scale(1 / 4)  # to the last bit
        assert file.shape == (4 * size.height, 4 * size.width)


def ramps(height: int, width: int) -> tuple[NDArray[np.uint16], int]:
    """Return reflectance (3, height, width) whose levels tell the row in red and the column in green, and how
    many levels stand for a pixel.
    """
    step = 200 // max(height, width)
    rows, columns = np.mgrid[:height, :width]
    levels = np.stack([30 + step * rows, 30 + step * columns, 100 + 0 * rows])
    return np.ceil(levels * 2000 / 255).astype(np.uint16), step


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), SIZES, st.sampled_from(WITHOUT_DATA), SEEDS)
@some(4)
def test_each_place_on_the_ground_shows_what_the_scene_shows_there(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    data: st.DataObject,
    size: Size,
    shape: str,
    seed: int,
) -> None:
    place, folder = data.draw(places(kind)), tmp_path_factory.mktemp("ground")
    pixels, step = ramps(size.height, size.width)
    hole = lacking(shape, size.height, size.width, seed)
    pixels[:, hole] = 0
    path = geotiff(folder / "a.tif", pixels, nodata=0, **place._asdict())
    rgb, valid = upscaled(path, model_of("bicubic", folder), folder / "out.tif", tile=size.tile)
    rows, columns = np.mgrid[: rgb.shape[0], : rgb.shape[1]] + 0.5
    with rasterio.open(folder / "out.tif") as file:
        ground = on_the_ground(file.transform, columns, rows)
    column, row = on_the_ground(~place.transform, *ground)  # as the scene counts them
    inside = binary_erosion(~hole, np.ones((5, 5))).repeat(4, 0).repeat(4, 1)  # of the kernel's reach
    for level, start in ((rgb[..., 0], row), (rgb[..., 1], column)):
        off = np.abs(level - (30 + step * (start - 0.5)))  # a pixel shows its middle
        assert off[inside].max(initial=0) <= 0.5 + step / 4
        assert off[valid].max(initial=0) <= 0.5 + step  # where land ends, its last pixel goes on


@pytest.mark.parametrize(("shape", "told"), list(zip(WITHOUT_DATA, cycle(["number", "NaN", "mask"]))))
@given(places(), SIZES, SEEDS, st.booleans())
@some(2)
def test_the_map_is_blank_where_the_scene_is_and_is_another_no_further_than_the_halo(
    tmp_path_factory: pytest.TempPathFactory,
    shape: str,
    told: str,
    place: Place,
    size: Size,
    seed: int,
    reflectance: bool,
) -> None:
    folder = tmp_path_factory.mktemp("blank")
    hole = lacking(shape, size.height, size.width, seed)
    sound = land(size.height, size.width, seed).astype("float32" if told == "NaN" else "uint16")
    holed = sound.copy()
    holed[:, hole] = {"number": 0, "NaN": np.nan, "mask": 2000}[told]
    files = [
        geotiff(folder / f"{name}.tif", pixels, nodata=0 if told == "number" else None, **place._asdict())
        for name, pixels in (("sound", sound), ("holed", holed))
    ]
    if told == "mask":
        with rasterio.open(files[1], "r+") as file:
            file.write_mask(~hole)
    model = model_of("bicubic", folder)
    (whole, _), (found, valid) = (
        upscaled(path, model, folder / "out.tif", UNIT, tile=size.tile, reflectance=reflectance)
        for path in files
    )
    np.testing.assert_array_equal(valid, ~hole.repeat(4, 0).repeat(4, 1))
    assert not np.nan_to_num(found[~valid]).any()
    reach = 2 * find("bicubic").seams.halo + 1
    far = binary_erosion(~hole, np.ones((reach, reach)), border_value=1).repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(found[far], whole[far])

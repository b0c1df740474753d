"""The raster of probabilities: a band a class, a pixel a tile."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from srscene.core.classes import CLASSES
from srscene.scene import raster
from srscene.scene.grid import Grid
from tests.scene.maps import MISSING, tile_map


def test_a_band_for_each_class_a_pixel_for_each_tile(tmp_path: Path) -> None:
    tiles = tile_map()
    raster.write(tiles, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        values = file.read()
        assert file.descriptions == CLASSES
        assert file.crs.to_epsg() == 32633
        assert file.bounds == (399_960, 5_300_040 - 3600, 399_960 + 4800, 5_300_040)
        assert np.isnan(file.nodata)
        assert file.tags().items() >= tiles.provenance.items()
    flat = values.reshape(19, 12)
    assert np.isnan(flat[:, MISSING]).all()
    assert np.array_equal(np.delete(flat, MISSING, 1).T, tiles.probabilities)


@pytest.mark.parametrize(("stride", "shift"), [(60, 0), (40, 30)])
def test_a_pixel_lies_in_the_middle_of_its_tile(stride: int, shift: int, tmp_path: Path) -> None:
    tiles = tile_map(Grid(400, 500, 120, stride, shift))
    raster.write(tiles, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.res == (stride * 10, stride * 10)
        for row, column, expected in zip(tiles.rows, tiles.columns, tiles.probabilities, strict=True):
            middle = tiles.transform @ (column + 60, row + 60)
            (found,) = file.sample([middle])
            assert np.array_equal(found, expected)


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        raster.write(tile_map(), tmp_path / name)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()

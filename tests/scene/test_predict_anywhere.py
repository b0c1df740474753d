"""Wherever a scene lies, however it is turned and whatever it lacks: each tile lies where its ground does."""

import json
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.warp
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from rasterio.crs import CRS

from srscene.runtime.console import BadInput
from srscene.scene import vector
from srscene.scene.classifier import SceneClassifier, load
from srscene.scene.grid import Grid
from srscene.scene.predict import Tiling, predict_scene
from srscene.scene.source import open_scene
from tests.scene.maps import tile_map
from tests.scene.places import WITHOUT_DATA, Place, lacking, placed, places, some
from tests.scene.products import geotiff, land
from tests.scene.trained import Trained
from tests.scene.upscaling import ONE, UNIT

SIDE = 120
SIDES = st.integers(110, 270)
"""Of scenes; below 120 they have no tile."""
TILINGS = st.builds(
    Tiling,
    st.sampled_from(["full", "half", "97"]),
    st.sampled_from([0, 1, 30]),
    st.sampled_from([0, 0.5, 0.95, 1]),
)


class Lacking(NamedTuple):
    """No data, of one of the shapes `WITHOUT_DATA`."""

    shape: str
    seed: int = 0


HOLES = st.builds(Lacking, st.sampled_from(WITHOUT_DATA), st.integers(0, 999))


@pytest.fixture(scope="module")
def model(trained: Trained) -> SceneClassifier:
    return load(*trained.models, torch.device("cpu"))


def usable(hole: NDArray[np.bool_], tiling: Tiling) -> list[tuple[int, int]]:
    """Return the first pixels of the tiles that docs/scene_predict.md promises, row by row."""
    stride = {"full": SIDE, "half": SIDE // 2}.get(tiling.stride) or int(tiling.stride)
    rows, columns = (range(tiling.shift, side, stride) for side in hole.shape)
    tiles = {
        place: ~hole[place[0] : place[0] + SIDE, place[1] : place[1] + SIDE]
        for place in product(rows, columns)
    }
    return [
        place
        for place, data in tiles.items()
        if data.shape == (SIDE, SIDE) and data.any() and data.mean() >= tiling.least_valid
    ]


def corners(place: Place, row: int, column: int) -> list[tuple[float, float]]:
    """Return a tile's corners on the ground, one beside the next."""
    around = [(column, row), (column, row + SIDE), (column + SIDE, row + SIDE), (column + SIDE, row)]
    return [place.transform @ (float(right), float(down)) for right, down in around]


def doubled_area(ring: ArrayLike) -> float:
    """Return a polygon's, positive where its points (n, 2) go counter-clockwise, closed or not."""
    x, y = (np.array(ring) - ring[0]).T  # or a northing's digits would leave none for the area
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


@given(places(), SIDES, SIDES, TILINGS, HOLES)
@example(placed("EPSG:32755", 300_000, 6_200_000, 20), 125, 250, Tiling("half", 3), Lacking("a frame"))
@example(
    placed("EPSG:3035", 4_321_000.5, 3_210_000.25, south_up=True),
    250,
    125,
    Tiling("97", 3),
    Lacking("lone pixels"),
)
@some(6)
def test_each_tile_with_enough_data_lies_where_the_transform_puts_it(
    model: SceneClassifier,
    tmp_path_factory: pytest.TempPathFactory,
    place: Place,
    height: int,
    width: int,
    tiling: Tiling,
    lack: Lacking,
) -> None:
    folder = tmp_path_factory.mktemp("tiles")
    hole = lacking(lack.shape, height, width, lack.seed)
    pixels = land(height, width)
    pixels[:, hole] = 0
    path = geotiff(folder / "a.tif", pixels, nodata=0, **place._asdict())
    expected = usable(hole, tiling)
    with open_scene(path, **UNIT) as scene:
        if not expected:
            with pytest.raises(BadInput, match=r"a\.tif: (no tile has data in|.* expected at least 120×120)"):
                predict_scene(scene, model, ONE, folder / "map.gpkg", tiling)
            assert not (folder / "map.gpkg").exists()
            return
        for name in ("map.gpkg", "map.tif"):
            predict_scene(scene, model, ONE, folder / name, tiling)
    meta, _, polygons, values = pyogrio.raw.read(folder / "map.gpkg")
    fields = dict(zip(meta["fields"], values, strict=True))
    assert CRS.from_user_input(meta["crs"]) == CRS.from_string(place.crs)
    assert list(zip(fields["row"], fields["column"], strict=True)) == expected
    shares = [1 - hole[row : row + SIDE, column : column + SIDE].mean() for row, column in expected]
    assert fields["valid"] == pytest.approx(shares)
    with rasterio.open(folder / "map.tif") as file:
        assert file.crs == CRS.from_string(place.crs)
        assert np.isfinite(file.read(1)).sum() == len(expected)
        for index, (polygon, (row, column)) in enumerate(zip(polygons, expected, strict=True)):
            ring = np.frombuffer(polygon[13:], "<f8").reshape(5, 2)
            assert {*map(tuple, ring.tolist())} == {*corners(place, row, column)}  # to the last bit
            assert doubled_area(ring) == pytest.approx(2 * 1200**2)
            (seen,) = file.sample([ring[:4].mean(0)], 1)
            assert seen[0] == fields["p_urban_fabric"][index]


def parts(geometry: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Return the exterior rings of a GeoJSON geometry, which has no others."""
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return [np.array(ring) for (ring,) in polygons]


def on_the_globe(place: Place, points: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Return longitudes and latitudes (n, 2), the longitudes beyond ±180 where that keeps them together."""
    degrees = np.array(rasterio.warp.transform(place.crs, "EPSG:4326", *np.array(points).T)).T
    degrees[:, 0] = degrees[0, 0] + (degrees[:, 0] - degrees[0, 0] + 180) % 360 - 180
    return degrees


@given(places(), st.integers(SIDE, 270), st.integers(SIDE, 270), st.integers(30, SIDE), st.integers(0, 30))
@example(placed("EPSG:32601", 328_500, 6_605_000), 240, 270, SIDE, 0)
@example(placed("EPSG:32760", 770_000, 6_000_000, 40, south_up=True), 270, 240, 50, 7)
@some(40)
def test_geojson_has_each_tile_where_it_is_on_the_globe_cut_at_the_180th_meridian(
    tmp_path_factory: pytest.TempPathFactory, place: Place, height: int, width: int, stride: int, shift: int
) -> None:
    out = tmp_path_factory.mktemp("globe") / "map.geojson"
    grid = Grid(height, width, SIDE, stride, min(shift, height - SIDE, width - SIDE))
    vector.write(tile_map(grid, *place), out)
    for feature in json.loads(out.read_text())["features"]:
        tile = feature["properties"]
        expected = on_the_globe(place, corners(place, tile["row"], tile["column"]))
        across = np.ptp(np.sign(np.abs(expected[:, 0]) - 180)) == 2
        rings = parts(feature["geometry"])
        assert len(rings) == (2 if across else 1)
        areas = [doubled_area(ring) for ring in rings]
        assert min(areas) > 0  # counter-clockwise
        assert sum(areas) == pytest.approx(abs(doubled_area(expected)), rel=1e-3)
        points = np.concatenate(rings)
        assert (np.abs(points) <= (180, 90)).all()
        for corner in expected:
            off = (points - corner + 180) % 360 - 180
            assert np.abs(off).max(1).min() < 1e-7  # degrees: a centimetre

"""GeoPackage and GeoJSON: what GIS tools find in them."""

import json
import sqlite3
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio.warp
from affine import Affine

from srscene.core.classes import CLASSES
from srscene.runtime.console import BadInput
from srscene.scene import vector
from srscene.scene.grid import outlines
from tests.scene.maps import NORTH_UP, tile_map

SOUTH_UP = Affine(10, 0, 399_960, 0, 10, 5_300_040)


def _ring(polygon: bytes) -> np.ndarray:
    assert polygon[:13] == b"\1\3\0\0\0\1\0\0\0\5\0\0\0"
    return np.frombuffer(polygon[13:], "<f8").reshape(5, 2)


def test_a_geopackage_holds_all_of_the_map_in_the_scene_s_crs(tmp_path: Path) -> None:
    tiles = tile_map()
    vector.write(tiles, tmp_path / "map.gpkg")
    info = pyogrio.read_info(tmp_path / "map.gpkg", layer="tiles")
    assert info["crs"] == "EPSG:32633"
    assert info["features"] == 11
    assert info["layer_metadata"] == tiles.provenance
    meta, _, polygons, values = pyogrio.raw.read(tmp_path / "map.gpkg")
    fields = dict(zip(meta["fields"], values, strict=True))
    for name in ("row", "column"):
        assert np.array_equal(fields[name], getattr(tiles, f"{name}s"))
    for name in ("valid", "distance"):
        assert np.array_equal(fields[name], getattr(tiles, name))
    assert np.array_equal(fields["p_urban_fabric"], tiles.probabilities[:, 0])
    assert np.array_equal(fields["p_marine_waters"], tiles.probabilities[:, 18])
    assert len([name for name in fields if name.startswith("p_")]) == len(CLASSES)
    assert fields["top"].tolist() == [CLASSES[index] for index in tiles.probabilities.argmax(1)]
    for text, row in zip(fields["labels"], tiles.probabilities, strict=True):
        assert text == "; ".join(name for name, value in zip(CLASSES, row, strict=True) if value >= 0.8)
    expected = outlines(NORTH_UP, tiles.rows, tiles.columns, 120)
    assert np.array_equal([_ring(polygon) for polygon in polygons], expected)


def test_sqlite_finds_the_geopackage_whole(tmp_path: Path) -> None:
    vector.write(tile_map(), tmp_path / "map.gpkg")
    with sqlite3.connect(tmp_path / "map.gpkg") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        day = database.execute("SELECT last_change FROM gpkg_contents").fetchone()
    assert day == (vector.NO_DAY,)


@pytest.mark.parametrize("name", ["map.gpkg", "map.geojson"])
def test_the_same_bytes_at_another_time(name: str, tmp_path: Path) -> None:
    vector.write(tile_map(), tmp_path / name)
    first = (tmp_path / name).read_bytes()
    time.sleep(1.1)
    vector.write(tile_map(), tmp_path / name)
    assert (tmp_path / name).read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32733", "EPSG:3035"])
@pytest.mark.parametrize("transform", [NORTH_UP, SOUTH_UP])
def test_geojson_is_rfc_7946_s(crs: str, transform: Affine, tmp_path: Path) -> None:
    tiles = tile_map(crs=crs, transform=transform)
    vector.write(tiles, tmp_path / "map.geojson")
    found = json.loads((tmp_path / "map.geojson").read_text())
    assert found["type"] == "FeatureCollection"
    assert "crs" not in found
    assert len(found["features"]) == 11
    corners = outlines(transform, tiles.rows, tiles.columns, 120)
    for feature, expected in zip(found["features"], corners, strict=True):
        assert feature["geometry"]["type"] == "Polygon"
        (ring,) = np.array(feature["geometry"]["coordinates"])
        assert ring.shape == (5, 2)
        x, y = ring.T
        assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0  # counter-clockwise
        there = np.array(rasterio.warp.transform(crs, "EPSG:4326", *expected[:4].T)).T
        for corner in there:
            assert np.abs(ring - corner).max(1).min() < 1e-7  # degrees: a centimetre
    of_first = found["features"][0]["properties"]
    assert of_first["p_urban_fabric"] == pytest.approx(tiles.probabilities[0, 0], rel=1e-5)
    assert of_first["row"] == 0
    assert found["provenance"] == tiles.provenance
    assert pyogrio.read_info(tmp_path / "map.geojson")["features"] == 11  # GDAL takes it all the same


def test_an_unknown_distance_is_null(tmp_path: Path) -> None:
    vector.write(tile_map(distance=np.full(11, np.nan, np.float32)), tmp_path / "map.geojson")
    found = json.loads((tmp_path / "map.geojson").read_text())
    assert {feature["properties"]["distance"] for feature in found["features"]} == {None}


def test_without_a_crs_a_geopackage_has_none_and_geojson_is_refused(tmp_path: Path) -> None:
    vector.write(tile_map(crs=None), tmp_path / "map.gpkg")
    assert pyogrio.read_info(tmp_path / "map.gpkg")["features"] == 11
    with pytest.raises(BadInput, match=r"map\.geojson: GeoJSON is in longitude and latitude, but the scene"):
        vector.write(tile_map(crs=None), tmp_path / "map.geojson")
    assert not (tmp_path / "map.geojson").exists()

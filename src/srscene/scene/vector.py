"""A map of tiles as GeoPackage, in the scene's CRS, or as GeoJSON (RFC 7946), in WGS 84.

The one layer, `tiles`, has a square for each predicted tile; with a stride below a tile's side they overlap.

    row, column   first pixel of the tile in the scene
    valid         share of its pixels that hold data, 0..1
    distance      standard deviations from the training images, of the farthest colour; null if unknown
    top           the most probable class
    labels        all classes from the threshold on, `; ` between them; empty if there is none
    p_…           probability of each of the 19 classes, 0..1: p_urban_fabric, p_arable_land, …

What made it stands in a GeoPackage as metadata of its layer, in GeoJSON as a member `provenance` of its own.
GeoJSON's squares have four corners, so their sides are straight in longitude and latitude: a few centimetres
off the true ones.
"""

import json
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
from numpy.typing import NDArray

from srscene.core.classes import CLASSES
from srscene.runtime.console import BadInput
from srscene.runtime.files import whole_file
from srscene.scene.grid import outlines
from srscene.scene.tile_map import COLUMNS, SEPARATOR, TileMap

LAYER = "tiles"
NO_DAY = "1970-01-01T00:00:00.000Z"
"""Noted by a GeoPackage as the time of its last change, so that the same map has the same bytes."""
FORMATS: dict[str, dict[str, Any]] = {
    ".gpkg": {"driver": "GPKG"},
    ".geojson": {
        "driver": "GeoJSON",
        "RFC7946": "YES",
        "COORDINATE_PRECISION": "7",
        "SIGNIFICANT_FIGURES": "6",
    },
}


def check(crs: object, out: Path) -> None:
    """Raise BadInput where the format can't hold a map of a scene with this CRS."""
    if crs is None and out.suffix == ".geojson":
        raise BadInput(
            f"{out}: GeoJSON is in longitude and latitude, but the scene has no CRS; write .gpkg or .tif, or "
            "name the CRS in the scene: rio edit-info --crs EPSG:32633 SCENE"
        )


def write(tiles: TileMap, out: Path) -> None:
    """Write the tiles to `out`, as its suffix says; the same map gives the same bytes."""
    check(tiles.crs, out)
    fields = _fields(tiles)
    settings = dict(FORMATS[out.suffix])
    if out.suffix == ".gpkg":
        settings["layer_metadata"] = tiles.provenance
    memory = BytesIO()  # GDAL would take the temporary name's suffix amiss
    with _timeless(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # the scene has none
        pyogrio.raw.write(
            memory,
            np.array(_polygons(tiles), object),
            list(fields.values()),
            list(fields),
            layer=LAYER,
            geometry_type="Polygon",
            crs=tiles.crs.to_wkt() if tiles.crs else None,
            **settings,
        )
    content = memory.getvalue()
    if out.suffix == ".geojson":
        start = b'"type": "FeatureCollection",'
        member = f'\n"provenance": {json.dumps(tiles.provenance)},'.encode()
        content = content.replace(start, start + member, 1)
    with whole_file(out) as temporary:
        temporary.write_bytes(content)


def _polygons(tiles: TileMap) -> list[bytes]:
    """Return each tile's outline as well-known binary (OGC 06-103r4): one ring of five points."""
    corners = outlines(tiles.transform, tiles.rows, tiles.columns, tiles.grid.size)
    return [struct.pack("<BIII", 1, 3, 1, 5) + ring.astype("<f8").tobytes() for ring in corners]


def _fields(tiles: TileMap) -> dict[str, NDArray[Any]]:
    names = np.array(CLASSES, object)
    return {
        "row": tiles.rows,
        "column": tiles.columns,
        "valid": tiles.valid,
        "distance": tiles.distance,
        "top": names[tiles.top],
        "labels": np.array([SEPARATOR.join(names[labels]) for labels in tiles.labels], object),
        **dict(zip(COLUMNS, np.ascontiguousarray(tiles.probabilities.T), strict=True)),
    }


@contextmanager
def _timeless() -> Iterator[None]:
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": NO_DAY})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})

"""Writes a patch as BigEarthNet v1 holds it: GeoTIFF bands, a label file, a name of time and place."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.crs import CRS

from srscene.raw.layout import BAND_FILES, LABEL_FILE

PIXEL = 10
"""m."""

TILE = ("T33UUP", 300_000, 5_400_000, 32633)
"""The Sentinel-2 tile that patches lie in: name, left, top (m), EPSG code."""

GRID = 91
"""Patches along a tile."""


class Acquisition(NamedTuple):
    """Which satellite saw the patch in column `h`, row `v` of the tile, and when (UTC)."""

    satellite: str
    date: str
    time: str
    h: int
    v: int

    @property
    def patch(self) -> str:
        """The patch's name; as in the real data, a time before 10:00 may lack its leading zero."""
        return f"{self.satellite}_MSIL2A_{self.date}T{self.time}_{self.h}_{self.v}"


def acquisition(rng: np.random.Generator, index: int) -> Acquisition:
    """Return a plausible acquisition of the `index`-th patch of a tile; one in eight has a five-digit time.

    BigEarthNet was recorded from June 2017 to May 2018; 69,866 of its 590,326 names have a five-digit time.
    """
    if index >= GRID**2:
        raise ValueError(f"a tile holds {GRID**2} patches, asked for number {index}")
    year, month = divmod(5 + int(rng.integers(12)), 12)
    date = f"{2017 + year}{month + 1:02d}{rng.integers(1, 29):02d}"
    clock = f"{rng.integers(60):02d}{rng.integers(60):02d}"
    time = f"9{clock}" if index % 8 == 3 else f"{rng.integers(10, 12)}{clock}"
    return Acquisition(str(rng.choice(["S2A", "S2B"])), date, time, index % GRID, index // GRID)


def write_patch(
    folder: Path, seen: Acquisition, image: NDArray[np.uint16], labels: list[str], source: str
) -> None:
    """Write `image` (120, 120, 3) reflectance × 10,000, R, G, B, and its CORINE labels to `folder/<patch>/`.

    `source` takes the place of the Level-1C product's name.
    """
    tile, left, top, epsg = TILE
    height, width, _ = image.shape
    ulx, uly = left + seen.h * width * PIXEL, top - seen.v * height * PIXEL
    crs, transform = CRS.from_epsg(epsg), Affine(PIXEL, 0, ulx, 0, -PIXEL, uly)
    patch = folder / seen.patch
    patch.mkdir(parents=True)
    for number, file in enumerate(BAND_FILES):
        with rasterio.open(
            patch / f"{seen.patch}_{file}", "w", "GTiff", width, height, 1, crs, transform, "uint16"
        ) as tif:
            tif.write(image[..., number], 1)
    clock = seen.time.zfill(6)
    day = f"{seen.date[:4]}-{seen.date[4:6]}-{seen.date[6:]}"
    metadata = {
        "labels": labels,
        "coordinates": {"ulx": ulx, "uly": uly, "lrx": ulx + width * PIXEL, "lry": uly - height * PIXEL},
        "projection": crs.to_wkt(version="WKT1_GDAL"),
        "tile_source": f"{source}_{tile}",
        "acquisition_date": f"{day} {clock[:2]}:{clock[2:4]}:{clock[4:]}",
    }
    (patch / f"{seen.patch}_{LABEL_FILE}").write_text(json.dumps(metadata))

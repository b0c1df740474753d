"""Scenes for tests: GeoTIFFs, band files, and Sentinel-2 products laid out as the real ones."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

CORNER = Affine(10, 0, 499_980, 0, -10, 5_700_000)
"""Of a tile of zone 32."""
NAME = "S2A_MSIL2A_20220612T102601_N{number}_R108_T32UQD_20220612T162803.SAFE"
GRANULE = "GRANULE/L2A_T32UQD_A036415_20220612T102602/IMG_DATA/R10m"
BANDS = ("B04", "B03", "B02")


def land(height: int, width: int, seed: int = 0) -> NDArray[np.uint16]:
    """(3, height, width): reflectance · 10,000 of smooth fields with edges and some noise, none of it 0."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    fields = sum(
        np.sign(np.sin(rows * a + columns * b + c)) * d
        for a, b, c, d in rng.uniform((-0.2, -0.2, 0, 20), (0.2, 0.2, 6, 150), (6, 4))
    )
    bands = fields + rng.normal(0, 15, (3, height, width)) + np.array([700, 800, 500]).reshape(3, 1, 1)
    return bands.clip(1, 10_000).astype(np.uint16)


def geotiff(path: Path, pixels: NDArray, names: Sequence[str | None] = BANDS, **profile: Any) -> Path:
    """Write (n, H, W) as a GeoTIFF whose bands are called `names`."""
    count, height, width = pixels.shape
    settings = {"driver": "GTiff", "crs": "EPSG:32632", "transform": CORNER} | profile
    with rasterio.open(
        path, "w", count=count, height=height, width=width, dtype=pixels.dtype, **settings
    ) as file:
        file.write(pixels)
        file.descriptions = tuple(names)[:count]
    return path


def jp2(path: Path, band: NDArray[np.uint16], **profile: Any) -> None:
    """Write (H, W) as JPEG 2000 without loss."""
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    geotiff(path, band[None], [None], **lossless | profile)


def product(folder: Path, dn: NDArray[np.uint16], offset: int | None = -1000, **profile: Any) -> Path:
    """Write a .SAFE of digital numbers (3, H, W), red first; `offset` None: as before baseline 04.00."""
    number = "0300" if offset is None else "0400"
    safe = folder / NAME.format(number=number)
    images = safe / GRANULE
    images.mkdir(parents=True)
    for band, pixels in zip(BANDS, dn, strict=True):
        jp2(images / f"T32UQD_20220612T102601_{band}_10m.jp2", pixels, **profile)
    others = {"B08_10m": images, "TCI_10m": images, "B02_20m": images.with_name("R20m")}
    for name, place in others.items():  # which must not be taken for what is asked for
        place.mkdir(exist_ok=True)
        jp2(place / f"T32UQD_20220612T102601_{name}.jp2", dn[0, ::2, ::2])
    (safe / "MTD_MSIL2A.xml").write_text(metadata(offset))
    (safe / GRANULE).parents[1].joinpath("MTD_TL.xml").write_text("<Tile/>")
    return safe


def zipped(safe: Path) -> Path:
    """Zip a product, its folder included, as it is downloaded."""
    return Path(shutil.make_archive(str(safe.with_suffix("")), "zip", safe.parent, safe.name))


def metadata(offset: int | None, psd: int = 14) -> str:
    """MTD_MSIL2A.xml, of the parts that matter, in the structure of PSD 14 or of an older one."""
    space = f"https://psd-{psd}.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd"
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{band}">{offset}</BOA_ADD_OFFSET>' for band in range(13))
    offset_list = (
        f"<BOA_ADD_OFFSET_VALUES_LIST>{offsets}</BOA_ADD_OFFSET_VALUES_LIST>" if offset is not None else ""
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="{space}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>2022-06-12T10:26:01.024Z</PRODUCT_START_TIME>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PROCESSING_BASELINE>{"03.00" if offset is None else "04.00"}</PROCESSING_BASELINE>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
        <WVP_QUANTIFICATION_VALUE unit="cm">1000.0</WVP_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>
      {offset_list}
    </Product_Image_Characteristics>
  </n1:General_Info>
</n1:Level-2A_User_Product>
"""

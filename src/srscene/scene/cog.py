"""Upscaled rows as small GeoTIFFs, and all of them as one cloud-optimised GeoTIFF.

A VRT, GDAL's list of files, joins the rows. GDAL's COG driver copies it block by block, so that its memory
does not grow with the scene.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from srscene.raw.layout import BANDS
from srscene.runtime.files import whole_file
from srscene.scene.radiometry import UNIT, Radiometry
from srscene.scene.source import CACHE_BYTES

BLOCK = 512
"""Side of a COG's block, pixels."""
TYPES = {"uint8": "Byte", "uint16": "UInt16", "float32": "Float32"}
"""NumPy's names, and GDAL's."""
COLOURS = ("Red", "Green", "Blue")
"""That programs show the bands as."""
ENVIRONMENT = {"GDAL_CACHEMAX": CACHE_BYTES, "GDAL_TIFF_INTERNAL_MASK": True}
JOINING = {"GDAL_CACHEMAX": 16 << 20, "GDAL_MAX_DATASET_POOL_SIZE": 4, "VRT_NUM_THREADS": 1}
"""While pieces are joined: few of them are open at once, or each would keep its buffers."""


@dataclass(frozen=True)
class Layout:
    """What the output is."""

    height: int
    width: int
    transform: Affine
    crs: CRS | None
    dtype: str
    """uint8: levels as the models see them, with a mask; else stored numbers as the scene has them."""
    radiometry: Radiometry
    tags: Mapping[str, str]

    @property
    def nodata(self) -> float | None:
        """None where a mask tells: every level may occur."""
        return {"uint8": None, "uint16": 0, "float32": float("nan")}[self.dtype]

    def stored(self, rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray:
        """Return levels (H, W, 3) as this output's numbers (3, H, W)."""
        if self.dtype == "uint8":
            return np.where(valid, rgb.transpose(2, 0, 1), np.uint8(0))
        numbers = self.radiometry.from_rgb(rgb)
        if self.dtype == "uint16":
            numbers = np.rint(numbers).clip(1, 65_535)
        return np.where(valid, numbers, np.float64(self.nodata or 0)).astype(self.dtype)


class RowWriter:
    """A piece of some rows, written in any order of columns."""

    def __init__(self, layout: Layout, file: Any) -> None:
        self.layout, self.file = layout, file

    def write(self, column: int, rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
        """Write levels (H, W, 3), as high as the piece, and where they are data, from a column on."""
        window = Window(column, 0, rgb.shape[1], rgb.shape[0])
        self.file.write(self.layout.stored(rgb, valid), window=window)
        if self.layout.nodata is None:
            self.file.write_mask(valid, window=window)


@contextmanager
def row_writer(path: Path, layout: Layout, height: int) -> Iterator[RowWriter]:
    """Make the GeoTIFF of `height` rows at `path`."""
    settings = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "zlevel": 1}
    settings |= {"predictor": 3 if layout.dtype == "float32" else 2, "bigtiff": "if_safer"}
    settings |= {"transform": layout.transform, "nodata": layout.nodata, "dtype": layout.dtype}
    size = {"count": len(BANDS), "height": height, "width": layout.width}
    with rasterio.Env(**ENVIRONMENT), rasterio.open(path, "w", driver="GTiff", **size, **settings) as file:
        yield RowWriter(layout, file)


def write_cog(pieces: Sequence[tuple[Path, int]], layout: Layout, work: Path, out: Path) -> None:
    """Write `out`, cloud-optimised and with overviews, of pieces and their heights, first to last.

    `work` is a folder for what is needed meanwhile.
    """
    rows = work / "rows.vrt"
    rows.write_text(_vrt(pieces, layout), encoding="utf-8")
    predictor = "FLOATING_POINT" if layout.dtype == "float32" else "STANDARD"
    with whole_file(out) as temporary, rasterio.Env(**ENVIRONMENT | JOINING, CPL_TMPDIR=str(work.resolve())):
        rasterio.shutil.copy(
            str(rows.resolve()), str(temporary), driver="COG", COMPRESS="DEFLATE", PREDICTOR=predictor,
            BLOCKSIZE=BLOCK, BIGTIFF="IF_SAFER", RESAMPLING="AVERAGE", NUM_THREADS="ALL_CPUS",
        )  # fmt: skip


def _vrt(pieces: Sequence[tuple[Path, int]], layout: Layout) -> str:
    """Return the XML that joins the pieces, with all that the output says of itself."""
    place = ", ".join(repr(float(value)) for value in layout.transform.to_gdal())
    tags = "".join(f'<MDI key="{key}">{escape(value)}</MDI>' for key, value in layout.tags.items())
    bands = "".join(
        f'<VRTRasterBand dataType="{TYPES[layout.dtype]}" band="{number}">'
        f"<Description>{name}</Description>{_meaning(layout, number - 1)}"
        f"{'' if layout.nodata is None else f'<NoDataValue>{layout.nodata}</NoDataValue>'}"
        f"<ColorInterp>{colour}</ColorInterp>{_sources(pieces, layout.width, str(number))}"
        "</VRTRasterBand>"
        for number, (name, colour) in enumerate(zip(BANDS, COLOURS, strict=True), 1)
    )
    mask = ""
    if layout.nodata is None:
        sources = _sources(pieces, layout.width, "mask,1")
        mask = f'<MaskBand><VRTRasterBand dataType="Byte">{sources}</VRTRasterBand></MaskBand>'
    return (
        f'<VRTDataset rasterXSize="{layout.width}" rasterYSize="{layout.height}">'
        f"<SRS>{escape(layout.crs.to_wkt()) if layout.crs else ''}</SRS><GeoTransform>{place}</GeoTransform>"
        f"<Metadata>{tags}</Metadata>{bands}{mask}</VRTDataset>"
    )


def _meaning(layout: Layout, index: int) -> str:
    """Return GDAL's scale and offset of a band, for numbers of which they are known."""
    radiometry = layout.radiometry
    if layout.dtype == "uint8" or radiometry.guessed:
        return ""
    offset, scale = float(radiometry.offset[index] / UNIT), float(1 / radiometry.scale)
    return f"<Offset>{offset!r}</Offset><Scale>{scale!r}</Scale>"


def _sources(pieces: Sequence[tuple[Path, int]], width: int, band: str) -> str:
    top, sources = 0, []
    for path, height in pieces:
        sources.append(
            f"<SimpleSource><SourceFilename>{escape(str(path.resolve()))}</SourceFilename>"
            f"<SourceBand>{band}</SourceBand>"
            f'<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>'
            f'<DstRect xOff="0" yOff="{top}" xSize="{width}" ySize="{height}"/></SimpleSource>'
        )
        top += height
    return "".join(sources)

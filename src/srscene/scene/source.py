"""Opens a scene, whatever it lies in, and reads windows of it as the models see them.

a GeoTIFF         of three bands or more, named B04, B03 and B02 in it, or by `bands`
a folder, a zip   with a file of each band, as ingested patches and most downloads have
a .SAFE, its zip  a Sentinel-2 L2A product, whose metadata tell the radiometry
"""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from srscene.raw.layout import BANDS
from srscene.runtime.console import BadInput, brief, printable, say
from srscene.scene import safe
from srscene.scene.files import REMEDY, Files, band_files, files_of
from srscene.scene.guess import radiometry_of
from srscene.scene.radiometry import UNIT, Radiometry

CACHE_BYTES = 32 << 20
"""That GDAL may keep of decoded blocks, whatever the scene's size."""
LARGEST_BLOCK = 1 << 26
"""Pixels of a file's block, which GDAL decodes at once."""
DRIVERS = {".jp2": "JP2OpenJPEG"}
"""Else GeoTIFF's, and no others: some fetch what a file names."""
_COLOURS = {"B04": "red", "B03": "green", "B02": "blue"}


class Scene:
    """Three bands on one grid, open for reading by windows. Rows and columns count from the first corner."""

    bands = BANDS
    """Red, green, blue: the order of `read`'s last axis."""

    def __init__(
        self,
        name: str,
        files: Sequence[tuple[Any, int]],
        radiometry: Radiometry,
        nodata: float | None,
        archive: Path | None = None,
    ) -> None:
        """`files` are red's, green's and blue's data set and band number; `nodata` adds to theirs; `archive`
        is the zip that they lie in.
        """
        self.name, self.radiometry = name, radiometry
        self.sources = [
            ([archive] if archive else [Path(path) for path in file.files], band) for file, band in files
        ]
        """Red's, green's and blue's files, sidecars too (of a zip, the zip), and the band's number there."""
        self._files, self._nodata = files, nodata
        self._doubtful = nodata is None and all(
            MaskFlags.all_valid in file.mask_flag_enums[band - 1] for file, band in files
        )
        """Nothing tells what is no data, and black pixels were not yet met."""
        first = files[0][0]
        self.width: int = first.width
        """Pixels, as `height`."""
        self.height: int = first.height
        self.crs: CRS | None = first.crs
        self.transform: Affine = first.transform
        """From (column, row) to the CRS."""
        self.dtype = np.result_type(*(file.dtypes[band - 1] for file, band in files))
        """Of the stored numbers."""

    def stamps(self) -> list[tuple[int, str, int, int]]:
        """Return each band's number, and name, size and time of its files: hashing them would take longer
        than some upscalers.
        """
        read = [(band, path, path.stat()) for paths, band in self.sources for path in paths]
        return [(band, str(path.resolve()), found.st_size, found.st_mtime_ns) for band, path, found in read]

    @property
    def paths(self) -> set[Path]:
        """The files that are read, with their sidecars; of what lies in a zip, the zip."""
        return {path for paths, _ in self.sources for path in paths}

    def read(
        self, row: int, column: int, height: int, width: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return a window (height, width, 3) as the models see it, and (height, width): where there is data.

        It is 0 where there is none. Raises BadInput where the file is damaged there, ValueError for a window
        that is not wholly in the scene.
        """
        stored, valid = self.raw(row, column, height, width)
        rgb = self.radiometry.to_rgb(stored)
        rgb[~valid] = 0
        return rgb, valid

    def raw(self, row: int, column: int, height: int, width: int) -> tuple[NDArray, NDArray[np.bool_]]:
        """Return a window's stored numbers (3, height, width) and where all three of them are data."""
        rows, columns = range(row, row + height), range(column, column + width)
        if (
            not rows
            or not columns
            or row < 0
            or column < 0
            or rows[-1] >= self.height
            or columns[-1] >= self.width
        ):
            raise ValueError(f"window {rows}, {columns} of a scene of {self.height}×{self.width}")
        window = Window(column, row, width, height)
        with self._reading(rows, columns):
            stored = np.stack([file.read(band, window=window) for file, band in self._files])
            valid = np.ones((height, width), bool)
            for file, band in self._files:
                if MaskFlags.all_valid not in file.mask_flag_enums[band - 1]:
                    valid &= file.read_masks(band, window=window) > 0
        if stored.dtype.kind == "f":
            valid &= np.isfinite(stored).all(0)
        if self._nodata is not None:
            valid &= (stored != self._nodata).all(0)
        if self._doubtful and not stored.any(0).all():
            self._doubtful = False
            say(
                f"{self.name}: its pixels of 0 in all bands count as data, since nothing says that they are "
                "none; if so: --nodata 0"
            )
        return stored, valid

    def tags(self) -> dict[str, str]:
        """Return what a product of this scene tells of how it was read."""
        names = [printable(Path(file.name).name) for file, _ in self._files]
        numbers = [number for _, number in self._files]
        radiometry = self.radiometry
        return {
            "scene_bands": ", ".join(
                f"{band} from {name}:{number}"
                for band, name, number in zip(self.bands, names, numbers, strict=True)
            ),
            "scene_scale": repr(float(radiometry.scale)),
            "scene_offset": ", ".join(f"{offset:g}" for offset in radiometry.offset),
            "scene_assumed": ", ".join(radiometry.guessed) or "nothing",
            "scene_nodata": "as in its files" if self._nodata is None else f"{self._nodata:g}",
        }

    @contextmanager
    def _reading(self, rows: range, columns: range) -> Iterator[None]:
        try:
            yield
        except (RasterioError, MemoryError) as error:
            place = f"rows {rows[0]:,} to {rows[-1]:,}, columns {columns[0]:,} to {columns[-1]:,}"
            reason = brief(error.__cause__ or error)
            raise BadInput(
                f"{self.name}: damaged in {place} ({reason}); expected a whole scene; {REMEDY}"
            ) from None


@contextmanager
def open_scene(
    path: Path | str,
    *,
    bands: Sequence[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    nodata: float | None = None,
    reflectance_max: int,
) -> Iterator[Scene]:
    """Open a scene for reading; `reflectance_max` (reflectance · 10,000) becomes 255.

    `bands` names a GeoTIFF's bands in their order, `scale` is the stored number of a reflectance of 1,
    `offset` is added in 1/10,000 of reflectance. Where neither these nor the files tell, the last two are
    guessed, and a line says so. `nodata` is a stored number that is no data, besides what the files call so.
    Raises BadInput for whatever is no scene.
    """
    path = Path(path)
    if scale is not None and not 0 < scale < math.inf:
        raise BadInput(f"--scale {scale}: expected a number above 0, such as 10000")
    if offset is not None and not math.isfinite(offset):
        raise BadInput(f"--offset {offset}: expected a number, such as 0 or -1000")
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES))
        files = files_of(path.parent if path.name == safe.METADATA else path)
        if files is None:
            dataset = stack.enter_context(_opened(path, Files(path.parent, (path.name,), False), path.name))
            numbers = _numbers(path, dataset, bands)
            opened, known = [(dataset, number) for number in numbers], None
        else:
            names, known = _band_names(files, bands, offset, scale, reflectance_max)
            opened = [(stack.enter_context(_opened(path, files, name, 1)), 1) for name in names]
            mute = all(file.driver.startswith("JP2") for file, _ in opened)  # about what is no data
            if nodata is None and (known or mute):
                nodata = safe.NODATA
        _check_grids(path, opened)
        archive = files.path if files and files.zipped else None
        unknown = Radiometry(UNIT, (0, 0, 0), reflectance_max)
        scene = Scene(str(path), opened, known or unknown, nodata, archive)
        if known is None:
            gdal = [(file.scales[band - 1], file.offsets[band - 1]) for file, band in opened]
            scene.radiometry = radiometry_of(
                scene.name, scene.raw, (scene.height, scene.width), gdal, offset, scale, reflectance_max
            )
        yield scene


def _band_names(
    files: Files, bands: Sequence[str] | None, offset: float | None, scale: float | None, reflectance_max: int
) -> tuple[tuple[str, ...], Radiometry | None]:
    """Return the files of red, green and blue; and a product's radiometry."""
    if bands:
        raise BadInput(
            f"{files.path}: its files' names tell the bands; leave out --bands, which is for a GeoTIFF"
        )
    if metadata := safe.metadata_of(files):
        return safe.product(files, metadata, offset, scale, reflectance_max)
    return band_files(files), None


@contextmanager
def _opened(path: Path, files: Files, name: str, count: int | None = None) -> Iterator[Any]:
    """Open an image; raises BadInput where it is none, lacks `count` bands, or can't be read in windows."""
    with files.opening(name):
        dataset = rasterio.open(files.gdal(name), driver=DRIVERS.get(Path(name).suffix.lower(), "GTiff"))
    with dataset:
        shown = files.shown(name)
        if count and dataset.count != count:
            raise BadInput(
                f"{shown}: {dataset.count} bands, expected {count}; or name this file as the scene"
            )
        if any("complex" in kind for kind in dataset.dtypes):
            raise BadInput(f"{shown}: complex numbers, expected integers or floats; is it a radar's?")
        if any(rows * columns > LARGEST_BLOCK for rows, columns in dataset.block_shapes):
            rows, columns = dataset.block_shapes[0]
            raise BadInput(
                f"{shown}: in blocks of {rows:,}×{columns:,} pixels, expected at most {LARGEST_BLOCK:,}, "
                "since a block is decoded as a whole; rewrite it: gdal_translate -co TILED=YES"
            )
        yield dataset


def _numbers(path: Path, dataset: Any, bands: Sequence[str] | None) -> list[int]:
    """Return the numbers of red, green and blue in a GeoTIFF, by `bands` or else by its descriptions."""
    if dataset.count < 3:
        raise BadInput(
            f"{path}: {dataset.count} band{'s' if dataset.count > 1 else ''}, expected red, green and blue "
            "in it; for a file of each band, name their folder"
        )
    if bands is not None and len(bands) != dataset.count:
        raise BadInput(
            f"{path}: {dataset.count} bands, but --bands names {len(bands)}; name all of them, in their order"
        )
    names = [_band(name or "") for name in (bands or dataset.descriptions)]
    missing = [band for band in BANDS if names.count(band) != 1]
    if missing:
        said = ", ".join(str(name) for name in (bands or dataset.descriptions)[:13])
        raise BadInput(
            f"{path}: its bands are called {said}; expected one {missing[0]}; say what they are, in their "
            "order: --bands B04,B03,B02"
        )
    return [names.index(band) + 1 for band in BANDS]


def _band(name: str) -> str:
    """Return B04, B03 or B02 for what a band may be called: B4, «B04, central wavelength 665 nm», Red."""
    match = re.match(r"B0?([234])(?![0-9A-Za-z])", name.strip(), re.I)
    if match:
        return f"B0{match[1]}"
    return next((band for band, colour in _COLOURS.items() if name.strip().lower() == colour), name)


def _check_grids(path: Path, opened: Sequence[tuple[Any, int]]) -> None:
    first = opened[0][0]
    for (file, _), band in zip(opened, BANDS, strict=True):
        if file.shape != first.shape or file.transform != first.transform or file.crs != first.crs:
            raise BadInput(
                f"{path}: {BANDS[0]} has {first.height}×{first.width} pixels from {_corner(first)}, {band} "
                f"{file.height}×{file.width} from {_corner(file)}; expected one grid and CRS for all three"
            )


def _corner(file: Any) -> str:
    return f"({file.transform.c:.10g}, {file.transform.f:.10g}) of {file.crs or 'no CRS'}"

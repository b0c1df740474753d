"""Reads a 10 m band of BigEarthNet: 120×120, 16 bits.

The official files are uncompressed TIFF whose pixels lie in one piece at the end. When the header says so,
the pixels are taken from there without decoding anything; every other TIFF goes through imagecodecs.
"""

import struct
import warnings
from functools import lru_cache
from itertools import accumulate

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from srscene.runtime.console import brief

warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)  # a band may lie anywhere

SIZE = 120
PIXEL_BYTES = SIZE * SIZE * 2
LARGEST_TILE = 1 << 20
"""Pixels of a tile, which may be larger than the band."""

# TIFF 6.0, section 8: the tags that say how the pixels lie in the file, and the field types of their values.
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _FILL_ORDER, _SAMPLES = 256, 257, 258, 259, 266, 277
_OFFSETS, _COUNTS, _TILE_WIDTH, _SAMPLE_FORMAT = 273, 279, 322, 339
_PLAIN = {_WIDTH: (SIZE,), _LENGTH: (SIZE,), _BITS: (16,), _COMPRESSION: (1,), _SAMPLES: (1,)}
_LAYOUT = {*_PLAIN, _FILL_ORDER, _OFFSETS, _COUNTS, _TILE_WIDTH, _SAMPLE_FORMAT}
_FIELDS = {3: ("H", 2), 4: ("I", 4)}  # SHORT, LONG
_DTYPES: dict[tuple[int, ...], np.dtype] = {(1,): np.dtype("<u2"), (2,): np.dtype("<i2")}


class BadTiff(ValueError):
    """What was found in a band file, and what was expected."""


def read_band(data: bytes) -> NDArray[np.uint16]:
    """Return the band (120, 120) uint16 that a TIFF file's bytes hold.

    int16, which some producers write, is accepted: a reflectance below 0 becomes 0, as the step to 8 bits
    would make it anyway. Raises BadTiff for anything else.
    """
    header = data[: max(0, len(data) - PIXEL_BYTES)]
    dtype = _plain_layout(header)
    if dtype is not None:
        band = np.frombuffer(data, dtype, offset=len(header)).reshape(SIZE, SIZE)
    else:
        band = _decode(data)
    return band if band.dtype == np.uint16 else np.maximum(band, 0).view(np.uint16)


@lru_cache(maxsize=64)  # the bands of a patch share their header
def _plain_layout(header: bytes) -> np.dtype | None:
    """Return the pixels' type if they follow the header uncompressed, row by row, without gaps; else None."""
    try:
        tags = _read_tags(header)
    except (struct.error, KeyError):
        return None
    if not tags.items() >= _PLAIN.items() or _TILE_WIDTH in tags or _FILL_ORDER in tags:
        return None
    starts, counts = tags.get(_OFFSETS, ()), tags.get(_COUNTS, ())
    expected = [*accumulate(counts, initial=len(header))]
    if [*starts, len(header) + PIXEL_BYTES] != expected:
        return None
    return _DTYPES.get(tags.get(_SAMPLE_FORMAT, (1,)))


def _read_tags(header: bytes) -> dict[int, tuple[int, ...]]:
    """Return the layout tags of a little-endian classic TIFF's first directory."""
    if header[:4] != b"II*\0":
        return {}
    (start,) = struct.unpack_from("<I", header, 4)
    (entries,) = struct.unpack_from("<H", header, start)
    directory = header[start + 2 : start + 2 + 12 * entries]
    fields = _fields(directory, start + 2)
    return {tag: field.unpack_from(header, at) for tag, (field, at) in fields.items()}


@lru_cache(maxsize=64)  # where values lie, patches of a producer share; what a map's corner is, they do not
def _fields(directory: bytes, at: int) -> dict[int, tuple[struct.Struct, int]]:
    """Return the layout tags of a directory that lies at byte `at`: their type, and where the values lie.

    Of a tag that comes again, the last counts.
    """
    fields = {}
    for entry, (tag, kind, count, value) in enumerate(struct.iter_unpack("<HHII", directory)):
        if tag in _LAYOUT:
            letter, width = _FIELDS[kind]
            value_at = value if width * count > 4 else at + 12 * entry + 8
            fields[tag] = struct.Struct(f"<{count}{letter}"), value_at
    return fields


def _decode(data: bytes) -> NDArray:
    _check_shape(data)
    try:
        band = imagecodecs.tiff_decode(data)
    except Exception as error:  # imagecodecs has an exception of its own for each codec
        raise _unreadable(data, error) from None
    if band.shape != (SIZE, SIZE):
        found = "×".join(map(str, band.shape))
        raise BadTiff(f"{found} pixels, expected {SIZE}×{SIZE}")
    if band.dtype not in (np.uint16, np.int16):
        raise BadTiff(f"pixels of type {band.dtype}, expected uint16 or int16")
    return band


def _check_shape(data: bytes) -> None:
    """Refuse what the header says is no band, before memory is taken for its pixels.

    GDAL reads the header alone; the pixels are not its, since it takes zeros for missing ones.
    """
    try:
        with MemoryFile(data) as memory, memory.open(driver="GTiff") as file:
            shape = (file.count, *file.shape) if file.count > 1 else file.shape
            dtype, blocks = file.dtypes[0], file.block_shapes
    except Exception as error:
        raise _unreadable(data, error) from None
    if shape != (SIZE, SIZE):
        raise BadTiff(f"{'×'.join(map(str, shape))} pixels, expected {SIZE}×{SIZE}")
    if dtype not in ("uint16", "int16"):
        raise BadTiff(f"pixels of type {dtype}, expected uint16 or int16")
    if any(height * width > LARGEST_TILE for height, width in blocks):
        raise BadTiff(
            f"tiles of {'×'.join(map(str, blocks[0]))} pixels, expected no more than {LARGEST_TILE:,}"
        )


def _unreadable(data: bytes, error: Exception) -> BadTiff:
    return BadTiff(f"not a readable TIFF of {len(data):,} bytes ({brief(error)}); expected a whole one")

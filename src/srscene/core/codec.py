"""How a store compresses an image, without loss: HTJ2K, JPEG 2000 with the fast block coder of its Part 15.

Chosen by figures (docs/store.md). A codestream is what OpenJPEG 2.5 reads, and with it Pillow and GDAL. It
holds no checksum, and decoders may take a damaged one for another image, so a store keeps one beside it.
"""

import struct

import imagecodecs
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Shape = tuple[int, int, int]

LEAST, MOST = 1 << 15, 1 << 24
"""Pixels of the images that are compressed: small ones, as ingested, gain little and are read by the million;
a codestream that claims more than the largest, 50 MB, is none of ours."""
NAME = "htj2k"
SIZE = struct.Struct(">HHHHIIIIIIIIH9B")
"""The markers SOC and SIZ, with which a codestream begins (ISO/IEC 15444-1, A.5.1)."""


def compressed(shape: Shape) -> bool:
    """Tell whether images (H, W, 3) of this shape are stored as codestreams; else they stay as they are."""
    height, width, _ = shape
    return min(shape) > 0 and LEAST <= height * width <= MOST


def encode(image: Image) -> bytes:
    """Return the codestream of an image (H, W, 3) uint8. One thread, other ones run meanwhile."""
    return bytes(imagecodecs.htj2k_encode(image, reversible=True))


def decode(codestream: bytes, out: Image) -> None:
    """Decode into `out`, (H, W, 3) uint8; raises an error for what is no codestream of its shape.

    Nothing is allocated for a codestream that claims another size.
    """
    height, width, _ = out.shape
    begin = SIZE.pack(
        0xFF4F, 0xFF51, 47, 0x4000, width, height, 0, 0, width, height, 0, 0, 3, *(7, 1, 1) * 3
    )  # one tile, three components of 8 bits
    if not codestream.startswith(begin):
        raise ValueError(f"no HTJ2K codestream of {height}×{width}×3")
    imagecodecs.htj2k_decode(codestream, out=out)

"""The images of a shard that is being written, as they will lie in it: `<shard>.images.part` holds them, one
behind the other, until all are there.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from isal.isal_zlib import crc32

from srscene.core import codec
from srscene.core.codec import Image, Shape
from srscene.core.store import write_texts
from srscene.runtime.parts import drop

COPY_BYTES = 1 << 26


class Stored(NamedTuple):
    """An image's bytes in the store, their CRC-32, and the SHA-256 of its pixels, whatever the codec."""

    data: bytes
    crc32: int
    sha256: str


def stored(image: Image) -> Stored:
    """Return what a store keeps of an image, (H, W, 3) uint8."""
    image = np.ascontiguousarray(image)
    data = codec.encode(image) if codec.compressed(image.shape) else image.tobytes()
    return Stored(data, crc32(data), sha256(image.data).hexdigest())


class Part:
    """The file in which the images of a data set wait, made anew or, with `again`, opened to go on.

    `shape` is that of an image, (H, W, 3). Raises OSError where there is none to go on with.
    """

    def __init__(self, path: Path, name: str, shape: Shape, again: bool = False) -> None:
        self.path, self.name, self.shape = path, name, shape
        self.size = 0
        """Bytes of the images that count."""
        self._lengths: list[int] = []
        self._crcs: list[int] = []
        self._digests: list[str] = []
        if not again:
            drop(path)
        self._file = path.open("r+b" if again else "wb")

    def append(self, image: Stored) -> None:
        self._file.write(image.data)
        self._take([len(image.data)], [image.crc32], [image.sha256])

    def piece(self, images: slice) -> dict[str, Any]:
        """Make these images safe against a loss of power; return what `holds` holds them to."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {
            "lengths": self._lengths[images],
            "crc32": self._crcs[images],
            "sha256": self._digests[images],
        }

    def holds(self, piece: Mapping[str, Any]) -> bool:
        """Tell whether a piece comes next in the file, as it was written."""
        self._file.seek(self.size)
        expected = zip(piece["lengths"], piece["crc32"], strict=True)
        return all(crc32(self._file.read(length)) == crc for length, crc in expected)

    def take_up(self, piece: Mapping[str, Any]) -> None:
        """Let a piece count."""
        self._take(piece["lengths"], piece["crc32"], piece["sha256"])

    def cut(self) -> None:
        """Drop what lies behind the images that count."""
        self._file.truncate(self.size)
        self._file.seek(self.size)

    def digest(self) -> str:
        """Return the SHA-256 of the SHA-256 of all images' pixels."""
        return sha256("".join(self._digests).encode()).hexdigest()

    @property
    def table_bytes(self) -> int:
        """Bytes of what lies beside the images."""
        return 12 * len(self._lengths) + 8

    def write(self, file: h5py.File) -> None:
        """Write the data set."""
        self._file.flush()
        compressed = codec.compressed(self.shape)
        shape = (self.size,) if compressed else (len(self._lengths), *self.shape)
        images = file.create_dataset(self.name, shape, np.uint8, track_times=False)
        row = int(np.prod(shape[1:]))
        at_once = max(1, COPY_BYTES // row)
        with self.path.open("rb") as part:
            for start in range(0, shape[0], at_once):
                rows = np.fromfile(part, np.uint8, min(at_once, shape[0] - start) * row)
                images[start : start + at_once] = rows.reshape(-1, *shape[1:])
        crcs = np.array(self._crcs, np.uint32)
        file.create_dataset(f"{self.name}_crc32", data=crcs, track_times=False)
        if compressed:
            offsets = np.cumsum([0, *self._lengths], dtype=np.uint64)
            file.create_dataset(f"{self.name}_offsets", data=offsets, track_times=False)
            write_texts(images, {"codec": codec.NAME, "shape": json.dumps(self.shape)})

    def close(self) -> None:
        with suppress(OSError):  # it would write what a full disk did not take
            self._file.close()

    def _take(self, lengths: list[int], crcs: list[int], digests: list[str]) -> None:
        self._lengths += lengths
        self._crcs += crcs
        self._digests += digests
        self.size += sum(lengths)

"""PatchStore: image patches with labels, split and names, in ordinary HDF5 files of about 1 GB.

A store is a folder of `shard-00000.h5`, `shard-00001.h5`, … Each shard holds, for its n patches,

    images          (n, H, W, 3) uint8, RGB, where they are small, as ingested; larger ones are compressed,
                    without loss: (N,) uint8, n codestreams of JPEG 2000 one behind the other
    images_offsets  (n + 1,) uint64, only then: image i is images[offsets[i] : offsets[i + 1]]
    images_crc32    (n,) uint32, of each image's bytes in `images`
    reference       and so on: as images, only where the true high-resolution image is known
    labels          (n, 19) uint8 of 0 and 1, columns as in the attribute `classes`
    split           (n,) uint8, index into SPLITS
    names           (n,) fixed-length ASCII

and in its attribute `sha256` the digest of all of them, that of images being of their pixels. Images are
contiguous: read through a memory map at the data set's offset. `shard_writer` writes them. Without srscene:

    file = h5py.File("data/upscaled/shard-00000.h5")
    start, end = file["images_offsets"][i : i + 2]
    image = imagecodecs.htj2k_decode(file["images"][start:end])  # or any reader of JPEG 2000, such as Pillow
"""

import json
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

from srscene.core import codec
from srscene.core.classes import CLASSES
from srscene.runtime.console import BadInput
from srscene.runtime.files import size
from srscene.runtime.reading import reading, what_it_is

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Image = NDArray[np.uint8]
DATA_SETS = ("images", "reference")
REMEDY = "delete it and run the stage again"
OPEN_MAPS = 512
"""Memory maps that a store keeps; each holds a file descriptor, of which a process usually has 1,024."""


class Patch(NamedTuple):
    """One patch: image (H, W, 3) uint8 RGB, labels (19,) uint8, reference as image or None."""

    name: str
    split: Split
    labels: NDArray[np.uint8]
    image: Image
    reference: Image | None = None


class Images(NamedTuple):
    """Where in a shard's file the images of a data set lie, as codestreams or as they are.

    `shape` is that of an image, (H, W, 3), `begins` its first byte, `offsets` (n + 1,) count from there.
    """

    shape: tuple[int, int, int]
    compressed: bool
    begins: int
    offsets: NDArray[np.uint64]
    crc32: NDArray[np.uint32]


class Shard(NamedTuple):
    """A shard's file, and its images by data set."""

    path: Path
    images: dict[str, Images]


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.h5"


class PatchStore:
    """Reads a store: `store[i]` is image i, (H, W, 3) uint8. Labels, splits and names are held in memory.

    Opening reads no image. However many shards there are, at most OPEN_MAPS are mapped at a time. Safe to
    read from several threads, and to pass to DataLoader workers: maps are opened lazily in each process.
    Raises BadInput when the folder holds no shard, a shard is missing or damaged, or classes or sizes
    differ; and on reading an image that is damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        paths = sorted(self.folder.glob("shard-*.h5"))
        if not paths:
            raise BadInput(f"{self.folder}: no shard-*.h5 in it; run `dvc repro` or `dvc pull` first")
        tables = [_read_table(path, number) for number, path in enumerate(paths)]
        self.names: list[str] = [name for table in tables for name in table["names"]]
        self.labels: NDArray[np.uint8] = np.concatenate([table["labels"] for table in tables])
        self.split: NDArray[np.uint8] = np.concatenate([table["split"] for table in tables])
        self.attributes: dict[str, Any] = tables[0]["attributes"]
        self.classes = CLASSES
        self.digest = sha256("".join(table["sha256"] for table in tables).encode()).hexdigest()
        """Stands for all that the store holds, as its shards recorded it when they were written."""
        self.shards = [Shard(path, table["images"]) for path, table in zip(paths, tables, strict=True)]
        self._shapes = _one_shape(self.shards)
        self.image_shape = self._shapes["images"]
        self.has_reference = "reference" in self._shapes
        self._starts = np.cumsum([0] + [len(table["names"]) for table in tables])
        self._begin_maps()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Image:
        return self._read([index], "images")[0]

    def __iter__(self) -> Iterator[Image]:
        return (self[index] for index in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_maps", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._begin_maps()

    def _begin_maps(self) -> None:
        self._maps: OrderedDict[tuple[int, str], NDArray[np.uint8]] = OrderedDict()
        self._lock = Lock()

    def batch(self, indices: Sequence[int] | NDArray[np.intp]) -> Image:
        """Return the images of these patches, (N, H, W, 3) uint8."""
        return self._read(indices, "images")

    def references(self, indices: Sequence[int] | NDArray[np.intp]) -> Image:
        """Return the true high-resolution images of these patches, (N, H', W', 3) uint8."""
        return self._read(indices, "reference")

    def reference(self, index: int) -> Image:
        """Return the true high-resolution image of patch `index`, (H', W', 3) uint8."""
        return self._read([index], "reference")[0]

    def split_of(self, index: int) -> Split:
        """Return the split of patch `index`."""
        return SPLITS[self.split[index]]

    def indices(self, split: Split) -> NDArray[np.intp]:
        """Return the indices of the patches of a split, ascending."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def shard_ranges(self) -> list[range]:
        """Return, for each shard, the range of patch indices that it holds."""
        return [
            range(int(start), int(end))
            for start, end in zip(self._starts[:-1], self._starts[1:], strict=True)
        ]

    def _read(self, indices: Sequence[int] | NDArray[np.intp], name: str) -> Image:
        """Return images of a data set, (N, H, W, 3) uint8."""
        pixels = np.empty((len(indices), *self._shapes[name]), np.uint8)
        for out, index in zip(pixels, map(int, indices), strict=True):
            if not 0 <= index < len(self):
                raise IndexError(index)
            shard = int(np.searchsorted(self._starts, index, "right")) - 1
            path, images = self.shards[shard].path, self.shards[shard].images[name]
            row = index - int(self._starts[shard])
            data = self._map(shard, name)[int(images.offsets[row]) : int(images.offsets[row + 1])].tobytes()
            with reading(path, f"{name} of {self.names[index]} as they were written", REMEDY):
                if crc32(data) != images.crc32[row]:
                    raise ValueError("another CRC-32")
                if images.compressed:
                    codec.decode(data, out)
                else:
                    out[:] = np.frombuffer(data, np.uint8).reshape(out.shape)
        return pixels

    def _map(self, shard: int, name: str) -> NDArray[np.uint8]:
        """Return the bytes of a shard's data set, from a memory map; threads may do so at once."""
        key = (shard, name)
        with self._lock:
            found = self._maps.pop(key, None)
            if found is None:
                path, images = self.shards[shard].path, self.shards[shard].images[name]
                found = np.memmap(path, np.uint8, "r", images.begins, int(images.offsets[-1]))
            self._maps[key] = found  # as the latest
            if len(self._maps) > OPEN_MAPS:
                self._maps.popitem(last=False)  # unmapped, and its descriptor closed, with its last view
        return found


def _read_table(path: Path, number: int) -> dict[str, Any]:
    if path != shard_path(path.parent, number):
        raise BadInput(f"{path}: {shard_path(path.parent, number).name} is missing; run the stage again")
    with reading(path, "a whole shard of a store", REMEDY), open_hdf5(path) as file:
        table = {
            "names": read_array(file["names"]).astype("U").tolist(),
            "labels": read_array(file["labels"]),
            "split": read_array(file["split"]),
            "attributes": json.loads(read_text(file, "attributes")),
            "sha256": read_text(file, "sha256"),
            "images": {name: _read_images(file, name) for name in DATA_SETS if name in file},
        }
        classes = tuple(json.loads(read_text(file, "classes")))
        if problem := _inconsistent(table, path.stat().st_size):
            raise BadInput(f"{path}: damaged ({problem}); {REMEDY}")
    if classes != CLASSES:
        raise BadInput(f"{path}: its classes are {classes[:2]}…, expected {CLASSES[:2]}…; ingest again")
    return table


def _read_images(file: h5py.File, name: str) -> Images:
    """Return where images lie; raises ValueError for what this module can't read."""
    images, checksums = file[name], read_array(file[f"{name}_crc32"])
    compressed = f"{name}_offsets" in file
    if compressed:
        height, width, channels = map(int, json.loads(read_text(images, "shape")))
        found, shape = read_text(images, "codec"), (height, width, channels)
        offsets = read_array(file[f"{name}_offsets"])
        if found != codec.NAME or not codec.compressed(shape):
            raise ValueError(f"{name} of {shape} in {found}")
        fits = images.shape == (offsets[-1],) and offsets.dtype == np.uint64
    else:
        shape = images.shape[1:]
        offsets = np.arange(len(checksums) + 1, dtype=np.uint64) * math.prod(shape)
        fits = len(images) == len(checksums)
    if not fits or images.dtype != np.uint8 or checksums.dtype != np.uint32 or checksums.ndim != 1:
        raise ValueError(f"{name} of {images.shape} {images.dtype} for {len(checksums)} checksums")
    return Images(shape, compressed, images.id.get_offset(), offsets, checksums)


def _one_shape(shards: Sequence[Shard]) -> dict[str, tuple[int, int, int]]:
    """Return the shape of a store's images by data set; raises BadInput where a shard has another."""
    first = {name: images.shape for name, images in shards[0].images.items()}
    for path, found in shards:
        shapes = {name: images.shape for name, images in found.items()}
        if shapes != first:
            raise BadInput(f"{path}: images of {shapes}, expected {first} as in the first shard; {REMEDY}")
    return first


def open_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file to read it; raises ValueError for what is plainly none (a pipe would block)."""
    if found := what_it_is(path):
        raise ValueError(found)
    return h5py.File(path, "r")


def read_array(values: h5py.Dataset) -> NDArray[Any]:
    """Return a data set; raises ValueError for one that is larger than its file: ours are not compressed."""
    there = Path(values.file.filename).stat().st_size
    if values.nbytes > there:
        raise ValueError(f"{values.name} claims {size(values.nbytes)}, but the file has {size(there)}")
    return np.asarray(values[:])


def write_texts(file: h5py.File, texts: Mapping[str, str]) -> None:
    """Write ASCII texts as attributes of fixed length, which lie in the file as they are."""
    for name, text in texts.items():
        file.attrs[name] = np.bytes_(text.encode("ascii"))


def read_text(file: h5py.File, name: str) -> str:
    """Return an attribute that `write_texts` wrote; raises ValueError for one of variable length, at whose
    damaged heap HDF5 would loop for ever.
    """
    kind = file.attrs.get_id(name).get_type()
    if not isinstance(kind, h5py.h5t.TypeStringID) or kind.is_variable_str():
        raise ValueError(f"attribute {name!r} is no text of fixed length")
    return bytes(file.attrs[name]).decode("ascii")


def _inconsistent(table: dict[str, Any], file_size: int) -> str:
    """Return what does not fit together in a shard's tables, so that no reading would fail later."""
    count = len(table["names"])
    shapes = {"labels": (count, len(CLASSES)), "split": (count,)}
    for name, shape in shapes.items():
        if table[name].shape != shape or table[name].dtype != np.uint8:
            return f"{name} of {table[name].shape} for {count} names"
    if count and (table["labels"].max() > 1 or table["split"].max() >= len(SPLITS)):
        return "labels or splits that there are not"
    if "images" not in table["images"]:
        return "no images"
    for name, (shape, _, begins, offsets, checksums) in table["images"].items():
        if len(shape) != 3 or shape[2] != 3 or len(offsets) != count + 1 or len(checksums) != count:
            return f"{name} of {(len(offsets) - 1, *shape)} for {count} names"
        if begins is None or offsets[0] or (offsets[1:] <= offsets[:-1]).any():
            return f"{name} that do not lie one behind the other"
        if begins + int(offsets[-1]) > file_size:
            return f"{name} reach beyond the end of the file"
    return ""

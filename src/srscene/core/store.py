"""PatchStore: image patches with labels, split and names, in ordinary HDF5 files of about 1 GB.

A store is a folder of `shard-00000.h5`, `shard-00001.h5`, … Each shard holds, for its n patches,

    images     (n, H, W, 3) uint8, RGB, contiguous: read through a memory map at the data set's offset
    reference  (n, H', W', 3) uint8, only where the true high-resolution image is known
    labels     (n, 19) uint8 of 0 and 1, columns as in the attribute `classes`
    split      (n,) uint8, index into SPLITS
    names      (n,) fixed-length ASCII

and in its attribute `sha256` the digest of all of them. `shard_writer` writes them.
"""

import json
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from srscene.core.console import BadInput
from srscene.core.disk import size
from srscene.core.labels import CLASSES
from srscene.core.reading import reading, what_it_is

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Image = NDArray[np.uint8]
OPEN_MAPS = 512
"""Memory maps that a store keeps; each holds a file descriptor, of which a process usually has 1,024."""


class Patch(NamedTuple):
    """One patch: image (H, W, 3) uint8 RGB, labels (19,) uint8, reference as image or None."""

    name: str
    split: Split
    labels: NDArray[np.uint8]
    image: Image
    reference: Image | None = None


class Shard(NamedTuple):
    """A shard's file, and where in it the images lie: data set -> (offset in bytes, shape)."""

    path: Path
    arrays: dict[str, tuple[int, tuple[int, ...]]]


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.h5"


class PatchStore:
    """Reads a store: `store[i]` is image i, (H, W, 3) uint8. Labels, splits and names are held in memory.

    Opening reads no image. However many shards there are, at most OPEN_MAPS are mapped at a time. Safe to
    pass to DataLoader workers: maps are opened lazily in each process.
    Raises BadInput when the folder holds no shard, a shard is missing or damaged, or classes differ.
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
        self.shards = [Shard(path, table["arrays"]) for path, table in zip(paths, tables, strict=True)]
        self.image_shape: tuple[int, int, int] = tables[0]["arrays"]["images"][1][1:]
        self.has_reference: bool = "reference" in tables[0]["arrays"]
        self._starts = np.cumsum([0] + [len(table["names"]) for table in tables])
        self._maps: OrderedDict[tuple[int, str], NDArray[np.uint8]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Image:
        return np.array(self._view(index, "images"))

    def __iter__(self) -> Iterator[Image]:
        return (self[index] for index in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": OrderedDict()}

    def batch(self, indices: Sequence[int] | NDArray[np.intp]) -> Image:
        """Return the images of these patches, (N, H, W, 3) uint8."""
        images = np.empty((len(indices), *self.image_shape), np.uint8)
        for row, index in enumerate(indices):
            images[row] = self._view(int(index), "images")
        return images

    def references(self, indices: Sequence[int] | NDArray[np.intp]) -> Image:
        """Return the true high-resolution images of these patches, (N, H', W', 3) uint8."""
        return np.stack([self._view(int(index), "reference") for index in indices])

    def reference(self, index: int) -> Image:
        """Return the true high-resolution image of patch `index`, (H', W', 3) uint8."""
        return np.array(self._view(index, "reference"))

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

    def _view(self, index: int, name: str) -> Image:
        """Return an image as a view into its shard's memory map."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        shard = int(np.searchsorted(self._starts, index, "right")) - 1
        key = (shard, name)
        if key in self._maps:
            self._maps.move_to_end(key)
        else:
            path, arrays = self.shards[shard]
            offset, shape = arrays[name]
            self._maps[key] = np.memmap(path, np.uint8, "r", offset, shape)
            if len(self._maps) > OPEN_MAPS:
                self._maps.popitem(last=False)  # unmapped, and its descriptor closed, with its last view
        view: Image = self._maps[key][index - self._starts[shard]]
        return view


def _read_table(path: Path, number: int) -> dict[str, Any]:
    if path != shard_path(path.parent, number):
        raise BadInput(f"{path}: {shard_path(path.parent, number).name} is missing; run the stage again")
    remedy = "delete it and run the stage again"
    with reading(path, "a whole shard of a store", remedy), open_hdf5(path) as file:
        arrays = [name for name in ("images", "reference") if name in file]
        table = {
            "names": read_array(file["names"]).astype("U").tolist(),
            "labels": read_array(file["labels"]),
            "split": read_array(file["split"]),
            "attributes": json.loads(read_text(file, "attributes")),
            "sha256": read_text(file, "sha256"),
            "arrays": {name: (file[name].id.get_offset(), file[name].shape) for name in arrays},
        }
        classes = tuple(json.loads(read_text(file, "classes")))
        if problem := _inconsistent(table, path.stat().st_size):
            raise BadInput(f"{path}: damaged ({problem}); {remedy}")
    if classes != CLASSES:
        raise BadInput(f"{path}: its classes are {classes[:2]}…, expected {CLASSES[:2]}…; ingest again")
    return table


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
    if "images" not in table["arrays"]:
        return "no images"
    for name, (offset, shape) in table["arrays"].items():
        if offset is None or len(shape) != 4 or shape[0] != count or shape[3] != 3:
            return f"{name} of {shape} for {count} names"
        if offset + math.prod(shape) > file_size:
            return f"{name} reach beyond the end of the file"
    return ""

"""PatchStore: image patches with labels, split and names, in ordinary HDF5 files of limited size.

A store is a folder of `shard-00000.h5`, `shard-00001.h5`, … Each shard holds, for its n patches,

    images     (n, H, W, 3) uint8, RGB, contiguous: read through a memory map at the data set's offset
    reference  (n, H', W', 3) uint8, only where the true high-resolution image is known
    labels     (n, 19) uint8 of 0 and 1, columns as in the attribute `classes`
    split      (n,) uint8, index into SPLITS
    names      (n,) fixed-length ASCII

Shards are written under a temporary name and renamed when complete; the same input gives the same bytes.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from srscene.console import BadInput
from srscene.labels import CLASSES

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Image = NDArray[np.uint8]


class Patch(NamedTuple):
    """One patch: image (H, W, 3) uint8 RGB, labels (19,) uint8, reference as image or None."""

    name: str
    split: Split
    labels: NDArray[np.uint8]
    image: Image
    reference: Image | None = None


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.h5"


WRITE_AT_ONCE = 16
"""Images per HDF5 call: one by one, h5py's own work takes most of the time."""


class ShardWriter:
    """Writes one shard of up to `capacity` patches; a context manager that leaves a whole file or none.

    `attributes` are stored as JSON; they must not hold times, hosts or paths.
    """

    def __init__(self, path: Path, capacity: int, attributes: Mapping[str, Any] | None = None) -> None:
        self.path, self.capacity, self.attributes = path, capacity, dict(attributes or {})
        self.count = 0
        self._temporary = path.with_suffix(".tmp")
        self._names: list[str] = []
        self._splits: list[int] = []
        self._labels: list[NDArray[np.uint8]] = []

    def __enter__(self) -> "ShardWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _create(self._temporary)
        return self

    def add(self, patch: Patch) -> None:
        """Append one patch. All images of a shard have one size, and all or none have a reference."""
        if self.count == self.capacity:
            raise ValueError(f"{self.path.name} is full at {self.capacity} patches")
        images = _images(patch)
        if not self.count:
            _create_image_sets(self._file, self.capacity, images)
            self._waiting = {
                name: np.empty((WRITE_AT_ONCE, *image.shape), np.uint8) for name, image in images.items()
            }
        if images.keys() != self._waiting.keys():
            raise ValueError(f"{patch.name}: in a shard, all patches or none have a reference")
        for name, image in images.items():
            if image.shape != self._waiting[name].shape[1:]:
                raise ValueError(
                    f"{patch.name}: {name} {image.shape}, the shard's first {self._waiting[name].shape[1:]}"
                )
            self._waiting[name][self.count % WRITE_AT_ONCE] = image
        self._names.append(patch.name)
        self._splits.append(SPLITS.index(patch.split))
        self._labels.append(patch.labels)
        self.count += 1
        if self.count % WRITE_AT_ONCE == 0:
            self._write_waiting(WRITE_AT_ONCE)

    def _write_waiting(self, number: int) -> None:
        for name, images in self._waiting.items():
            self._file[name][self.count - number : self.count] = images[:number]

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        try:
            if kind is None and self.count:
                self._finish()
        finally:
            self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._write_waiting(self.count % WRITE_AT_ONCE)
        if self.count < self.capacity:  # a contiguous data set cannot shrink: copy what is there
            self._file.close()
            self._file = _shrunk(self._temporary, self.count)
        file = self._file
        names = np.array(self._names, dtype="S")
        file.create_dataset("names", data=names, track_times=False)
        file.create_dataset("split", data=np.array(self._splits, np.uint8), track_times=False)
        file.create_dataset("labels", data=np.stack(self._labels), track_times=False)
        file.attrs["classes"] = json.dumps(CLASSES)
        file.attrs["attributes"] = json.dumps(self.attributes, sort_keys=True)
        file.close()
        os.replace(self._temporary, self.path)


def _create(path: Path) -> h5py.File:
    return h5py.File(path, "w", libver=("v110", "v110"), track_order=False)


def _images(patch: Patch) -> dict[str, Image]:
    return {"images": patch.image} | ({} if patch.reference is None else {"reference": patch.reference})


def _create_image_sets(file: h5py.File, capacity: int, images: dict[str, Image]) -> None:
    for name, image in images.items():
        file.create_dataset(name, (capacity, *image.shape), np.uint8, track_times=False)


def _shrunk(path: Path, count: int) -> h5py.File:
    full = path.with_suffix(".full")
    os.replace(path, full)
    file = _create(path)
    with h5py.File(full, "r") as source:
        for name, dataset in source.items():
            target = file.create_dataset(name, (count, *dataset.shape[1:]), np.uint8, track_times=False)
            for start in range(0, count, WRITE_AT_ONCE):
                end = min(start + WRITE_AT_ONCE, count)
                target[start:end] = dataset[start:end]
    full.unlink()
    return file


class PatchStore:
    """Reads a store: `store[i]` is image i, (H, W, 3) uint8. Labels, splits and names are held in memory.

    Opening reads no image. Safe to pass to DataLoader workers: maps are opened lazily in each process.
    Raises BadInput when the folder holds no shard, a shard is missing or damaged, or classes differ.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.shards = sorted(self.folder.glob("shard-*.h5"))
        if not self.shards:
            raise BadInput(f"{self.folder}: no shard-*.h5 in it; run `dvc repro` or `dvc pull` first")
        tables = [_read_table(path, number) for number, path in enumerate(self.shards)]
        self.names: list[str] = [name for table in tables for name in table["names"]]
        self.labels: NDArray[np.uint8] = np.concatenate([table["labels"] for table in tables])
        self.split: NDArray[np.uint8] = np.concatenate([table["split"] for table in tables])
        self.attributes: dict[str, Any] = tables[0]["attributes"]
        self.classes = CLASSES
        self.image_shape: tuple[int, int, int] = tables[0]["image_shape"]
        self.has_reference: bool = tables[0]["has_reference"]
        self._starts = np.cumsum([0] + [len(table["names"]) for table in tables])
        self._maps: dict[tuple[int, str], NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Image:
        return self._image(index, "images")

    def __iter__(self) -> Iterator[Image]:
        return (self[index] for index in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}

    def reference(self, index: int) -> Image:
        """Return the true high-resolution image of patch `index`, (H', W', 3) uint8."""
        return self._image(index, "reference")

    def indices(self, split: Split) -> NDArray[np.intp]:
        """Return the indices of the patches of a split, ascending."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def shard_ranges(self) -> list[range]:
        """Return, for each shard, the range of patch indices that it holds."""
        return [
            range(int(start), int(end))
            for start, end in zip(self._starts[:-1], self._starts[1:], strict=True)
        ]

    def _image(self, index: int, name: str) -> Image:
        if not 0 <= index < len(self):
            raise IndexError(index)
        shard = int(np.searchsorted(self._starts, index, "right")) - 1
        key = (shard, name)
        if key not in self._maps:
            self._maps[key] = _map(self.shards[shard], name)
        return np.array(self._maps[key][index - self._starts[shard]])


def _read_table(path: Path, number: int) -> dict[str, Any]:
    if path != shard_path(path.parent, number):
        raise BadInput(f"{path}: {shard_path(path.parent, number).name} is missing; run the stage again")
    try:
        with h5py.File(path, "r") as file:
            table = {
                "names": [name.decode() for name in file["names"][:]],
                "labels": file["labels"][:],
                "split": file["split"][:],
                "attributes": json.loads(file.attrs["attributes"]),
                "image_shape": file["images"].shape[1:],
                "has_reference": "reference" in file,
            }
            classes = tuple(json.loads(file.attrs["classes"]))
    except (OSError, KeyError) as error:
        raise BadInput(f"{path}: damaged ({error}); delete it and run the stage again") from None
    if classes != CLASSES:
        raise BadInput(f"{path}: its classes are {classes[:2]}…, expected {CLASSES[:2]}…; ingest again")
    return table


def _map(path: Path, name: str) -> NDArray[np.uint8]:
    with h5py.File(path, "r") as file:
        dataset = file[name]
        return np.memmap(path, np.uint8, "r", dataset.id.get_offset(), dataset.shape)

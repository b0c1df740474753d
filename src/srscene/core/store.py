"""PatchStore: image patches with labels, split and names, in ordinary HDF5 files.

A store is a folder of `shard-00000.h5`, `shard-00001.h5`, … and `index.h5`. A shard holds, of n patches,

    images          (n, H, W, 3) uint8, RGB, where they are small, as ingested; larger ones are compressed,
                    without loss: (N,) uint8, n codestreams of JPEG 2000 one behind the other
    images_offsets  (n + 1,) uint64, only then: image i is images[offsets[i] : offsets[i + 1]]
    images_crc32    (n,) uint32, of each image's bytes in `images`
    reference       and so on: as images, only where the true high-resolution image is known
    labels          (n, 19) uint8 of 0 and 1, columns as in the attribute `classes`
    split           (n,) uint8, index into SPLITS
    names           (n,) fixed-length ASCII

and in its attribute `sha256` the digest of all of them, that of images being of their pixels. All shards but
the last hold equally many patches. The index holds names, labels and splits of all shards, where each image
lies in its file, its CRC-32, and each shard's size and digest, so that opening a store opens no shard.
`core.writer` writes both. Without srscene:

    file = h5py.File("data/upscaled/shard-00000.h5")
    start, end = file["images_offsets"][i : i + 2]
    image = imagecodecs.htj2k_decode(file["images"][start:end])  # or any reader of JPEG 2000, such as Pillow
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

from srscene.core import codec
from srscene.core.classes import CLASSES
from srscene.core.codec import Image, Shape
from srscene.core.hdf5 import decoded, open_hdf5, read_array, read_text
from srscene.runtime.console import BadInput
from srscene.runtime.reading import reading

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
DATA_SETS = ("images", "reference")
INDEX = "index.h5"
REMEDY = "delete it and run the stage again"
Arrays = dict[str, NDArray[Any]]


class Patch(NamedTuple):
    """One patch: image (H, W, 3) uint8 RGB, labels (19,) uint8, reference as image or None."""

    name: str
    split: Split
    labels: NDArray[np.uint8]
    image: Image
    reference: Image | None = None


class Form(NamedTuple):
    """The shape (H, W, 3) of a data set's images, and the codec that they are stored in, if any."""

    shape: Shape
    codec: str | None


class Places(NamedTuple):
    """Where the n images of a data set lie in their shards' files: first byte, bytes, and their CRC-32."""

    start: NDArray[np.uint64]
    length: NDArray[np.uint32]
    crc32: NDArray[np.uint32]


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a store's shard."""
    return folder / f"shard-{number:05d}.h5"


class PatchStore:
    """Reads a store: `store[i]` is image i, (H, W, 3) uint8. Labels, splits and names are held in memory.

    Holds no file open: safe to read from several threads, to pass to DataLoader workers and to fork.
    Raises BadInput when the folder holds no index, a shard is missing or not of its size, the index is
    damaged, or classes differ; and on reading an image that is damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        path = self.folder / INDEX
        if not path.exists():
            raise BadInput(f"{self.folder}: no {INDEX} in it; run `dvc repro` or `dvc pull` first")
        with reading(path, "a store's index", REMEDY), open_hdf5(path) as file:
            arrays = {name: read_array(file[name]) for name in sorted(file)}
            texts = {name: read_text(file, name) for name in ("attributes", "classes", "forms")}
            if read_text(file, "sha256") != index_digest(arrays, texts):
                raise ValueError("not the values that were written")
            self.names = decoded(arrays["names"])
            self.classes = tuple(json.loads(texts["classes"]))
            self.attributes: dict[str, Any] = json.loads(texts["attributes"])
            self._forms = {
                name: Form(tuple(shape), of) for name, (shape, of) in json.loads(texts["forms"]).items()
            }
        if self.classes != CLASSES:
            raise BadInput(
                f"{path}: its classes are {self.classes[:2]}…, expected {CLASSES[:2]}…; ingest again"
            )
        self.labels: NDArray[np.uint8] = arrays["labels"]
        self.split: NDArray[np.uint8] = arrays["split"]
        self.per_shard = int(arrays["patches"][0])
        self.digest = sha256(b"".join(arrays["sha256"].tolist())).hexdigest()
        """Stands for all that the store holds, as its shards recorded it when they were written."""
        self.image_shape = self._forms["images"].shape
        self.has_reference = "reference" in self._forms
        self._places = {
            name: Places(*(arrays[f"{name}_{what}"] for what in Places._fields)) for name in self._forms
        }
        self._check_shards(arrays["bytes"])

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Image:
        return self._read([index], "images")[0]

    def __iter__(self) -> Iterator[Image]:
        return (self[index] for index in range(len(self)))

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

    def shard_of(self, index: int) -> Path:
        """Return the file that holds patch `index`."""
        return shard_path(self.folder, index // self.per_shard)

    def _check_shards(self, sizes: NDArray[np.uint64]) -> None:
        for number, expected in enumerate(sizes.tolist()):
            path = shard_path(self.folder, number)
            try:
                found = path.stat().st_size
            except OSError:
                raise BadInput(f"{path}: missing; run the stage again, or `dvc pull`") from None
            if found != expected:
                raise BadInput(f"{path}: damaged ({found:,} bytes, expected {expected:,}); {REMEDY}")

    def _read(self, indices: Sequence[int] | NDArray[np.intp], name: str) -> Image:
        """Return images of a data set, (N, H, W, 3) uint8."""
        shape, coded = self._forms[name]
        pixels = np.empty((len(indices), *shape), np.uint8)
        start, length, crcs = self._places[name]
        for out, index in zip(pixels, map(int, indices), strict=True):
            if not 0 <= index < len(self):
                raise IndexError(index)
            path = self.shard_of(index)
            with reading(path, f"{name} of {self.names[index]} as they were written", REMEDY):
                data = _bytes_at(path, int(start[index]), int(length[index]))
                if crc32(data) != crcs[index]:
                    raise ValueError("another CRC-32")
                if coded:
                    codec.decode(data, out)
                else:
                    out[:] = np.frombuffer(data, np.uint8).reshape(out.shape)
        return pixels


def _bytes_at(path: Path, start: int, length: int) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(handle, length, start)
    finally:
        os.close(handle)


class Shard(NamedTuple):
    """What a shard's file says of its n patches; `arrays` are as in the index."""

    arrays: Arrays
    texts: dict[str, str]
    sha256: str


def read_shard(path: Path) -> Shard:
    """Return a shard's tables; raises BadInput where the file is damaged."""
    with reading(path, "a whole shard of a store", REMEDY), open_hdf5(path) as file:
        arrays = {name: read_array(file[name]) for name in ("names", "labels", "split")}
        forms: dict[str, Form] = {}
        for name in DATA_SETS:
            if name in file:
                forms[name], places = _places(file, name)
                arrays |= {f"{name}_{what}": values for what, values in places._asdict().items()}
        texts = {name: read_text(file, name) for name in ("attributes", "classes")}
        return Shard(arrays, texts | {"forms": json.dumps(forms)}, read_text(file, "sha256"))


def _places(file: h5py.File, name: str) -> tuple[Form, Places]:
    """Return the form of a data set's images and where they lie; raises ValueError for other codecs."""
    images, checksums = file[name], read_array(file[f"{name}_crc32"])
    coded = None
    if f"{name}_offsets" in file:
        shape, coded = tuple(map(int, json.loads(read_text(images, "shape")))), read_text(images, "codec")
        offsets = read_array(file[f"{name}_offsets"])
        if coded != codec.NAME:
            raise ValueError(f"{name} in the codec {coded}")
    else:
        shape = images.shape[1:]
        offsets = np.arange(len(checksums) + 1, dtype=np.uint64) * np.uint64(np.prod(shape))
    height, width, channels = shape
    starts = offsets[:-1] + np.uint64(images.id.get_offset())
    return Form((height, width, channels), coded), Places(
        starts, np.diff(offsets).astype(np.uint32), checksums
    )


def index_digest(arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> str:
    """Return the SHA-256 of all that an index holds."""
    digest = sha256(json.dumps(dict(sorted(texts.items()))).encode())
    for name, values in sorted(arrays.items()):
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()

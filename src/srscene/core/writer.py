"""Writes a PatchStore: shards of PER_SHARD patches, then the index that opens them.

A shard is built in memory, some 45 MB of compressed pictures, and written to a file of just the right size,
since HDF5 crashes where its disk fills up. The same patches give the same bytes, for any number of threads.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from isal.isal_zlib import crc32

from srscene.core import codec
from srscene.core.classes import CLASSES
from srscene.core.codec import Image, Shape
from srscene.core.hdf5 import MARGIN, create, write_texts
from srscene.core.store import INDEX, SPLITS, Arrays, Patch, index_digest, read_shard, shard_path
from srscene.runtime.console import BadInput
from srscene.runtime.files import reserve, whole_file
from srscene.runtime.threads import ahead

PER_SHARD = 128
"""Patches of a shard: what a kill of an upscaling loses at most."""
WAITING = 64
"""Images that wait to be compressed."""


class Stored(NamedTuple):
    """An image's shape, its bytes in the store, their CRC-32, and the SHA-256 of its pixels."""

    shape: Shape
    data: bytes
    crc32: int
    sha256: str


def stored(image: Image) -> Stored:
    """Return what a store keeps of an image, (H, W, 3) uint8."""
    image = np.ascontiguousarray(image)
    data = codec.encode(image) if codec.compressed(image.shape) else image.tobytes()
    return Stored(image.shape, data, crc32(data), sha256(image.data).hexdigest())


def write_store(
    folder: Path,
    patches: Iterable[Patch],
    attributes: Mapping[str, Any],
    per_shard: int = PER_SHARD,
    threads: int = 1,
) -> None:
    """Write `patches` as a store into `folder`, shard by shard as `write_shard` does; nothing for none."""
    patches = iter(patches)
    for number in count():
        group = list(islice(patches, per_shard))
        if not group:
            break
        path = shard_path(folder, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_shard(path, group, attributes, threads)
    if number:
        write_index([shard_path(folder, each) for each in range(number)], folder / INDEX)


def write_shard(
    path: Path, patches: Iterable[Patch], attributes: Mapping[str, Any], threads: int = 1
) -> None:
    """Write patches, at least one, to the file `path`; threads compress large images meanwhile.

    All patches have images of one size, and all or none a reference. `attributes` are stored as JSON; they
    must not hold times, hosts or paths. Raises OSError where the disk is full.
    """
    rows: list[Patch] = []
    columns: dict[str, list[Stored]] = {}
    for patch, images in _encoded(iter(patches), threads):
        columns = columns or {name: [] for name in images}
        if images.keys() != columns.keys():
            raise ValueError(f"{patch.name}: in a shard, all patches or none have a reference")
        for name, image in images.items():
            columns[name].append(image)
            if image.shape != columns[name][0].shape:
                raise ValueError(f"{patch.name}: {name} {image.shape}, the first {columns[name][0].shape}")
        rows.append(patch._replace(image=None, reference=None))  # type: ignore[arg-type]
    table = {
        "names": np.array([row.name for row in rows], dtype="S"),
        "split": np.array([SPLITS.index(row.split) for row in rows], np.uint8),
        "labels": np.stack([row.labels for row in rows]).astype(np.uint8),
    }
    text = json.dumps(dict(attributes), sort_keys=True)
    size = sum(len(image.data) + 12 for column in columns.values() for image in column)
    reserve(path, size + sum(values.nbytes for values in table.values()) + len(text) + MARGIN)
    with create(path) as file:
        for name, column in columns.items():
            _write_images(file, name, column)
        for name, values in table.items():
            file.create_dataset(name, data=values, track_times=False)
        digest = _shard_digest(columns, table, text)
        write_texts(file, {"classes": json.dumps(CLASSES), "attributes": text, "sha256": digest})


def write_index(shards: Sequence[Path], path: Path) -> None:
    """Write the index of these shards, the first to the last of a store, to the file `path`.

    Raises BadInput where a shard is damaged or does not go with the first one.
    """
    found = [read_shard(shard) for shard in shards]
    for shard, one in zip(shards, found, strict=True):
        if one.texts != found[0].texts:
            raise BadInput(f"{shard}: other images, classes or attributes than the first shard's; run again")
    arrays: Arrays = {
        name: np.concatenate([shard.arrays[name] for shard in found]) for name in found[0].arrays
    }
    arrays |= {
        "patches": np.array([len(shard.arrays["names"]) for shard in found], np.uint32),
        "bytes": np.array([shard.stat().st_size for shard in shards], np.uint64),
        "sha256": np.array([shard.sha256 for shard in found], "S64"),
    }
    with whole_file(path) as temporary:
        reserve(temporary, sum(values.nbytes for values in arrays.values()) + MARGIN)
        with create(temporary) as file:
            for name, values in sorted(arrays.items()):
                file.create_dataset(name, data=values, track_times=False)
            write_texts(file, found[0].texts | {"sha256": index_digest(arrays, found[0].texts)})


def _encoded(patches: Iterator[Patch], threads: int) -> Iterator[tuple[Patch, dict[str, Stored]]]:
    """Yield each patch and its images as they are stored; small images are not worth a thread."""
    first = next(patches)
    large = any(codec.compressed(image.shape) for image in _images(first).values())
    patches = chain([first], patches)
    return ahead(_encode, patches, threads, WAITING) if large and threads > 1 else map(_encode, patches)


def _encode(patch: Patch) -> tuple[Patch, dict[str, Stored]]:
    return patch, {name: stored(image) for name, image in _images(patch).items()}


def _images(patch: Patch) -> dict[str, Image]:
    return {"images": patch.image} | ({} if patch.reference is None else {"reference": patch.reference})


def _write_images(file: h5py.File, name: str, images: Sequence[Stored]) -> None:
    shape = images[0].shape
    pixels = np.frombuffer(b"".join(image.data for image in images), np.uint8)
    compressed = codec.compressed(shape)
    data = pixels if compressed else pixels.reshape(-1, *shape)
    written = file.create_dataset(name, data=data, track_times=False)
    crcs = np.array([image.crc32 for image in images], np.uint32)
    file.create_dataset(f"{name}_crc32", data=crcs, track_times=False)
    if compressed:
        offsets = np.cumsum([0, *(len(image.data) for image in images)], dtype=np.uint64)
        file.create_dataset(f"{name}_offsets", data=offsets, track_times=False)
        write_texts(written, {"codec": codec.NAME, "shape": json.dumps(shape)})


def _shard_digest(columns: Mapping[str, Sequence[Stored]], table: Arrays, attributes: str) -> str:
    """Return a shard's SHA-256, from those of its images' pixels and all that it holds beside them."""
    hashes = {
        name: sha256("".join(image.sha256 for image in images).encode()).hexdigest()
        for name, images in sorted(columns.items())
    }
    digest = sha256(json.dumps([hashes, CLASSES, attributes]).encode())
    for name in ("names", "split", "labels"):
        digest.update(f"{name} {table[name].dtype} {table[name].shape}".encode())
        digest.update(np.ascontiguousarray(table[name]).tobytes())
    return digest.hexdigest()

"""Writes the shards of a PatchStore, each whole or not at all, and goes on with one that was interrupted.

Images wait in `<shard>.images.part`; when the shard is complete they are copied into an HDF5 file of just the
right size, and this is renamed into place. A resumable writer also keeps `<shard>.journal`: a JSON line for
each piece that is safely on disk, with its names, splits, labels and what its images are held to, behind
the SHA-256 of that JSON.
"""

import json
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from srscene.core import codec
from srscene.core.classes import CLASSES
from srscene.core.parts import Part, Stored, stored
from srscene.core.store import SPLITS, Image, Patch, write_texts
from srscene.runtime.console import say
from srscene.runtime.files import reserve, whole_file, writing
from srscene.runtime.machine import own_cores
from srscene.runtime.parts import drop, piece

SHARD_BYTES = 1 << 30
"""About as large is a shard before compression: 1,553 images of 480×480, 24,855 of 120×120."""
CHECKPOINT_SECONDS = 30.0
"""A kill loses at most this much of a resumable shard's work, and what waits or came with one `extend`."""
MARGIN = 1 << 16
"""Bytes that HDF5 itself takes in a shard, and more."""
WAITING_BYTES = 1 << 26
"""Of images that wait to be compressed; `extend` waits where there are more."""

Table = dict[str, NDArray[Any]]


class Row(NamedTuple):
    """A patch without its images; `split` is an index into SPLITS."""

    name: str
    split: int
    labels: NDArray[np.uint8]


def patches_per_shard(*shapes: tuple[int, int, int]) -> int:
    """Return how many patches make a shard whose patches have images of these shapes."""
    return max(1, SHARD_BYTES // sum(height * width * channels for height, width, channels in shapes))


class ShardWriter:
    """Writes one shard; a context manager that leaves a whole file or none.

    `attributes` are stored as JSON; they must not hold times, hosts or paths. With `resume`, for work in
    scratch, what is written survives an error or a kill, and another writer for the same path goes on behind
    the `count` patches that are there; pieces that were damaged meanwhile are dropped.
    Raises BadInput where the disk is full.
    """

    def __init__(self, path: Path, attributes: Mapping[str, Any] | None = None, resume: bool = False) -> None:
        self.path, self.attributes, self.resume = path, dict(attributes or {}), resume
        self._journal = path.with_suffix(".journal")
        self._rows: list[Row] = []
        self._parts: dict[str, Part] = {}
        self._pool: ThreadPoolExecutor | None = None  # where images are compressed
        self._waiting: deque[tuple[Row, Future[dict[str, Stored]]]] = deque()
        self._safe = 0  # patches that the journal holds
        self._saved_at = time.monotonic()

    @property
    def count(self) -> int:
        """Patches written so far, those of an interrupted writer included."""
        return len(self._rows) + len(self._waiting)

    def __enter__(self) -> "ShardWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.resume and self._journal.exists():
            self._restore()
        return self

    def add(self, patch: Patch) -> None:
        """Append one patch. All images of a shard have one size, and all or none have a reference."""
        self.extend([patch])

    def extend(self, patches: Sequence[Patch]) -> None:
        """Append patches. Threads compress large images, in order, while the caller goes on."""
        with writing(self.path):
            for patch in patches:
                self._append(patch)
            if self.resume and time.monotonic() - self._saved_at > CHECKPOINT_SECONDS:
                self._save()

    def _append(self, patch: Patch) -> None:
        images = _images(patch)
        if not self._parts:
            self._open({name: image.shape for name, image in images.items()})
        if images.keys() != self._parts.keys():
            raise ValueError(f"{patch.name}: in a shard, all patches or none have a reference")
        for name, image in images.items():
            if image.shape != self._parts[name].shape:
                raise ValueError(f"{patch.name}: {name} {image.shape}, the first {self._parts[name].shape}")
        row = Row(patch.name, SPLITS.index(patch.split), patch.labels)
        if self._pool is None:
            self._take(row, _stored(images))
            return
        copies = {name: np.array(image) for name, image in images.items()}
        self._waiting.append((row, self._pool.submit(_stored, copies)))
        self._write_compressed(WAITING_BYTES // sum(image.nbytes for image in images.values()))

    def _write_compressed(self, leave: int = 0) -> None:
        """Write the images that are ready, and wait for others until at most `leave` are waited for."""
        while self._waiting and (len(self._waiting) > leave or self._waiting[0][1].done()):
            row, images = self._waiting.popleft()
            try:
                self._take(row, images.result())
            except BaseException:
                self._waiting.clear()  # nothing may follow what was not written
                raise

    def _take(self, row: Row, images: Mapping[str, Stored]) -> None:
        for name, image in images.items():
            self._parts[name].append(image)
        self._rows.append(row)

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        finished = False
        try:
            if kind is None and self.count:
                with writing(self.path):
                    self._write_compressed()
                self._finish()
            finished = kind is None
        finally:
            self._leave(finished)

    def _leave(self, finished: bool) -> None:
        """Close the parts; keep them for the next writer where there is work left."""
        if self.resume and not finished:
            with suppress(OSError):  # a full disk, of which the error in flight already tells
                self._write_compressed()
                self._save()
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        for part in self._parts.values():
            part.close()
        if finished or not self.resume:
            for file in [self._journal, *map(self._part_path, ("images", "reference"))]:
                drop(file)

    def _part_path(self, name: str) -> Path:
        return self.path.with_suffix(f".{name}.part")

    def _open(self, shapes: Mapping[str, codec.Shape], again: bool = False) -> None:
        for name, shape in shapes.items():
            self._parts[name] = Part(self._part_path(name), name, shape, again)
        if any(map(codec.compressed, shapes.values())):
            self._pool = ThreadPoolExecutor(own_cores())  # some 150 images of 480×480 a second each

    def _save(self) -> None:
        """Make what was written since the last call safe against a kill or a loss of power."""
        new = slice(self._safe, len(self._rows))
        rows = self._rows[new]
        if not rows:
            return
        piece = {
            "names": [row.name for row in rows],
            "splits": [row.split for row in rows],
            "labels": [row.labels.tolist() for row in rows],
            "shapes": {name: part.shape for name, part in self._parts.items()},
            "images": {name: part.piece(new) for name, part in self._parts.items()},
        }
        text = json.dumps(piece)
        with self._journal.open("a") as file:
            file.write(f"{sha256(text.encode()).hexdigest()} {text}\n")
            file.flush()
            os.fsync(file.fileno())
        self._safe, self._saved_at = new.stop, time.monotonic()

    def _restore(self) -> None:
        """Take up the pieces of an interrupted writer, up to the first that is not as it was written."""
        lines: list[str] = []
        with suppress(OSError):
            lines = self._journal.read_text(errors="replace").splitlines()
        good = 0
        for line in lines:
            if not self._take_up(line):
                say(f"{self.path.name}: damaged behind {self.count} patches; what follows is made anew")
                break
            good += 1
        for part in self._parts.values():
            part.cut()
        drop(self._journal)
        self._journal.write_text("".join(f"{line}\n" for line in lines[:good]))
        self._safe = len(self._rows)

    def _take_up(self, line: str) -> bool:
        digest, _, text = line.partition(" ")
        if sha256(text.encode()).hexdigest() != digest:
            return False
        piece = json.loads(text)
        try:
            if not self._parts:
                self._open({name: tuple(shape) for name, shape in piece["shapes"].items()}, again=True)
        except OSError:
            self._parts = {}
            return False
        if not all(part.holds(piece["images"][name]) for name, part in self._parts.items()):
            return False
        for name, part in self._parts.items():
            part.take_up(piece["images"][name])
        labels = np.array(piece["labels"], np.uint8)
        self._rows += map(Row, piece["names"], piece["splits"], labels)
        return True

    def _finish(self) -> None:
        table: Table = {
            "names": np.array([row.name for row in self._rows], dtype="S"),
            "split": np.array([row.split for row in self._rows], np.uint8),
            "labels": np.stack([row.labels for row in self._rows]).astype(np.uint8),
        }
        attributes = json.dumps(self.attributes, sort_keys=True)
        hashes = {name: part.digest() for name, part in self._parts.items()}
        whole = piece if self.resume else whole_file
        with whole(self.path) as temporary:
            reserve(temporary, self._bytes(table, attributes))
            self._write(temporary, table, attributes, shard_digest(hashes, table, attributes))

    def _bytes(self, table: Table, attributes: str) -> int:
        """Return how large the shard will be, at most."""
        images = sum(part.size + part.table_bytes for part in self._parts.values())
        return images + sum(values.nbytes for values in table.values()) + len(attributes) + MARGIN

    def _write(self, path: Path, table: Table, attributes: str, digest: str) -> None:
        with h5py.File(path, "w", libver=("v110", "v110"), track_order=False) as file:
            for part in self._parts.values():
                part.write(file)
            for name, values in table.items():
                file.create_dataset(name, data=values, track_times=False)
            write_texts(file, {"classes": json.dumps(CLASSES), "attributes": attributes, "sha256": digest})


def shard_digest(hashes: Mapping[str, str], table: Table, attributes: str) -> str:
    """Return a shard's SHA-256, from those of its images' pixels and all that it holds beside them."""
    digest = sha256(json.dumps([dict(sorted(hashes.items())), CLASSES, attributes]).encode())
    for name in ("names", "split", "labels"):
        digest.update(f"{name} {table[name].dtype} {table[name].shape}".encode())
        digest.update(np.ascontiguousarray(table[name]).tobytes())
    return digest.hexdigest()


def _images(patch: Patch) -> dict[str, Image]:
    return {"images": patch.image} | ({} if patch.reference is None else {"reference": patch.reference})


def _stored(images: Mapping[str, Image]) -> dict[str, Stored]:
    return {name: stored(image) for name, image in images.items()}

"""Writes the shards of a PatchStore, each whole or not at all, and goes on with one that was interrupted.

Images wait in `<shard>.images.part`; when the shard is complete they are copied into an HDF5 file of just the
right size, and this is renamed into place. A resumable writer also keeps `<shard>.journal`: a JSON line for
each piece that is safely on disk, with its names, splits, labels and the SHA-256 of its images, behind the
SHA-256 of that JSON.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from srscene.core.console import say
from srscene.core.disk import reserve, writing
from srscene.core.labels import CLASSES
from srscene.core.outputs import whole_file
from srscene.core.scratch import drop, piece
from srscene.core.store import SPLITS, Image, Patch, write_texts

SHARD_BYTES = 1 << 30
"""About as large is a shard: 1,553 images of 480×480, 24,855 of 120×120."""
CHECKPOINT_SECONDS = 30.0
"""A kill loses at most this much of a resumable shard's work, and the patches of one `extend`."""
COPY_BYTES = 1 << 26
MARGIN = 1 << 16
"""Bytes that HDF5 itself takes in a shard, and more."""

Table = dict[str, NDArray[Any]]


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
        self._names: list[str] = []
        self._splits: list[int] = []
        self._labels: list[NDArray[np.uint8]] = []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._parts: dict[str, BinaryIO] = {}
        self._hashes: dict[str, Any] = {}
        self._piece_hashes: dict[str, Any] = {}
        self._safe = 0  # patches that the journal holds
        self._saved_at = time.monotonic()

    @property
    def count(self) -> int:
        """Patches written so far, those of an interrupted writer included."""
        return len(self._names)

    def __enter__(self) -> "ShardWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.resume and self._journal.exists():
            self._restore()
        return self

    def add(self, patch: Patch) -> None:
        """Append one patch. All images of a shard have one size, and all or none have a reference."""
        self.extend([patch])

    def extend(self, patches: Sequence[Patch]) -> None:
        """Append patches."""
        with writing(self.path):
            self._extend(patches)

    def _extend(self, patches: Sequence[Patch]) -> None:
        for patch in patches:
            images = _images(patch)
            if not self._parts:
                self._open({name: image.shape for name, image in images.items()}, "wb")
            if images.keys() != self._parts.keys():
                raise ValueError(f"{patch.name}: in a shard, all patches or none have a reference")
            for name, image in images.items():
                if image.shape != self._shapes[name]:
                    raise ValueError(f"{patch.name}: {name} {image.shape}, the first {self._shapes[name]}")
            for name, image in images.items():
                data = np.ascontiguousarray(image).data
                self._parts[name].write(data)
                self._hashes[name].update(data)
                if self.resume:
                    self._piece_hashes[name].update(data)
            self._names.append(patch.name)
            self._splits.append(SPLITS.index(patch.split))
            self._labels.append(patch.labels)
        if self.resume and time.monotonic() - self._saved_at > CHECKPOINT_SECONDS:
            self._save()

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        finished = False
        try:
            if kind is None and self.count:
                self._finish()
            finished = kind is None
        finally:
            self._leave(finished)

    def _leave(self, finished: bool) -> None:
        """Close the parts; keep them for the next writer where there is work left."""
        if self.resume and not finished:
            with suppress(OSError):  # a full disk, of which the error in flight already tells
                self._save()
        for part in self._parts.values():
            with suppress(OSError):  # it would write what a full disk did not take
                part.close()
        if finished or not self.resume:
            for file in [self._journal, *map(self._part_path, ("images", "reference"))]:
                drop(file)

    def _part_path(self, name: str) -> Path:
        return self.path.with_suffix(f".{name}.part")

    def _open(self, shapes: dict[str, tuple[int, ...]], mode: str) -> None:
        self._shapes = shapes
        for name in shapes:
            if mode == "wb":
                drop(self._part_path(name))
            self._parts[name] = open(self._part_path(name), mode)  # type: ignore[assignment] # noqa: SIM115
            self._hashes[name], self._piece_hashes[name] = sha256(), sha256()

    def _save(self) -> None:
        """Make what was written since the last call safe against a kill or a loss of power."""
        new = slice(self._safe, self.count)
        if self._safe == self.count:
            return
        for part in self._parts.values():
            part.flush()
            os.fsync(part.fileno())
        piece = {
            "names": self._names[new],
            "splits": self._splits[new],
            "labels": [labels.tolist() for labels in self._labels[new]],
            "shapes": self._shapes,
            "sha256": {name: digest.hexdigest() for name, digest in self._piece_hashes.items()},
        }
        text = json.dumps(piece)
        with self._journal.open("a") as file:
            file.write(f"{sha256(text.encode()).hexdigest()} {text}\n")
            file.flush()
            os.fsync(file.fileno())
        self._piece_hashes = {name: sha256() for name in self._shapes}
        self._safe, self._saved_at = self.count, time.monotonic()

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
            part.truncate(part.tell())
        drop(self._journal)
        self._journal.write_text("".join(f"{line}\n" for line in lines[:good]))
        self._safe = self.count

    def _take_up(self, line: str) -> bool:
        digest, _, text = line.partition(" ")
        if sha256(text.encode()).hexdigest() != digest:
            return False
        piece = json.loads(text)
        try:
            if not self._parts:
                self._open({name: tuple(shape) for name, shape in piece["shapes"].items()}, "r+b")
        except OSError:
            self._parts = {}
            return False
        starts = {name: part.tell() for name, part in self._parts.items()}
        for name, part in self._parts.items():
            data = part.read(len(piece["names"]) * int(np.prod(self._shapes[name])))
            if sha256(data).hexdigest() != piece["sha256"][name]:
                for other, start in starts.items():
                    self._parts[other].seek(start)
                return False
            self._hashes[name].update(data)
        self._names += piece["names"]
        self._splits += piece["splits"]
        self._labels += [np.array(labels, np.uint8) for labels in piece["labels"]]
        return True

    def _finish(self) -> None:
        table: Table = {
            "names": np.array(self._names, dtype="S"),
            "split": np.array(self._splits, np.uint8),
            "labels": np.stack(self._labels).astype(np.uint8),
        }
        attributes = json.dumps(self.attributes, sort_keys=True)
        hashes = {name: digest.hexdigest() for name, digest in self._hashes.items()}
        whole = piece if self.resume else whole_file
        with whole(self.path) as temporary:
            reserve(temporary, self._bytes(table, attributes))
            self._write(temporary, table, attributes, shard_digest(hashes, table, attributes))

    def _bytes(self, table: Table, attributes: str) -> int:
        """Return how large the shard will be, at most."""
        pixels = sum(int(np.prod(shape)) for shape in self._shapes.values())
        return (
            self.count * pixels + sum(values.nbytes for values in table.values()) + len(attributes) + MARGIN
        )

    def _write(self, path: Path, table: Table, attributes: str, digest: str) -> None:
        with h5py.File(path, "w", libver=("v110", "v110"), track_order=False) as file:
            for name, part in self._parts.items():
                part.flush()
                self._copy(name, file)
            for name, values in table.items():
                file.create_dataset(name, data=values, track_times=False)
            write_texts(file, {"classes": json.dumps(CLASSES), "attributes": attributes, "sha256": digest})

    def _copy(self, name: str, file: h5py.File) -> None:
        shape = self._shapes[name]
        dataset = file.create_dataset(name, (self.count, *shape), np.uint8, track_times=False)
        at_once = max(1, COPY_BYTES // int(np.prod(shape)))
        with self._part_path(name).open("rb") as part:
            for start in range(0, self.count, at_once):
                images = np.fromfile(part, np.uint8, min(at_once, self.count - start) * int(np.prod(shape)))
                dataset[start : start + at_once] = images.reshape(-1, *shape)


def shard_digest(hashes: Mapping[str, str], table: Table, attributes: str) -> str:
    """Return a shard's SHA-256, from those of its images' bytes and all that it holds beside them."""
    digest = sha256(json.dumps([dict(sorted(hashes.items())), CLASSES, attributes]).encode())
    for name in ("names", "split", "labels"):
        digest.update(f"{name} {table[name].dtype} {table[name].shape}".encode())
        digest.update(np.ascontiguousarray(table[name]).tobytes())
    return digest.hexdigest()


def _images(patch: Patch) -> dict[str, Image]:
    return {"images": patch.image} | ({} if patch.reference is None else {"reference": patch.reference})

"""Upscales a whole store: knows batches and shards, and no model.

Work is kept in scratch piece by piece, so that a run which was killed goes on where it was. Shards hold fixed
ranges of patches, batches do not cross them, and every batch is full, since kernels round differently for
another batch size: a patch's bytes do not depend on shards, or on where a run was interrupted.

Several processes share the shards out among them, each of which one process writes. Where there are more
processes than shards they share slices of SLICE patches, small stores in scratch, and then join them; slices
do not depend on the number of processes either. Reading, computing and writing overlap.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from srscene.core import writer as shard_writer
from srscene.core.parts import stored
from srscene.core.store import Image, Patch, PatchStore, shard_path
from srscene.core.writer import ShardWriter
from srscene.runtime.console import BadInput, progress, say
from srscene.runtime.device import describe, fitting, halving, kind, take_device
from srscene.runtime.files import need
from srscene.runtime.key import with_device
from srscene.runtime.machine import Machine
from srscene.runtime.params import Section, recorded
from srscene.runtime.parts import kept, publish
from srscene.runtime.ranks import Ranks, claimed_together, current, seen
from srscene.runtime.threads import Behind, ahead
from srscene.sr.common.checkpoints import weights_sha256
from srscene.sr.common.upscaler import Upscale, Upscaler, find

SLICE = 32
"""Patches: two batches of a GPU."""
MARGIN = 1.25
"""Of the bytes that pictures are expected to take, over the first batch's: that may show plain water."""

Ranges = dict[Path, range]
"""The files of a store, and the patches that each holds."""
Fetch = Callable[[], Image]
"""Waits for pictures (n, H, W, 3) and returns them."""


def upscale_store(
    name: str,
    options: Section,
    machine: Machine,
    patches: PatchStore,
    weights_folder: Path,
    out: Path,
    key: str,
) -> None:
    """Write every patch of `patches`, upscaled, to the store `out`, with its labels, split and name.

    `weights_folder` is what the stage `weights` made. The store's attributes are those of `patches`, and sr,
    options, precision, scale and the SHA-256 of the weights: `load_from_card` makes the upscaler from them.
    Processes that run together share the work; one that was killed goes on under the same `key`, which stands
    for all that decides the result.
    """
    ranks, device, upscaler = current(), take_device("upscale"), find(name)
    precision = upscaler.precision(options, device)
    attributes = patches.attributes | {
        "sr": name,
        "options": recorded(options),
        "precision": precision,
        "weights": weights_sha256(weights_folder),
    }
    batch_size = machine.batch(device, upscaler.gpu_batch, upscaler.cpu_batch)
    with claimed_together("upscale", with_device(key, kind(device), precision)) as folder:
        batch_size = min(ranks.gather(fitting(folder, batch_size)))  # before one of them notes another
        if ranks.main:
            say(
                f"upscale: {name} on {describe(device, ranks.world)}, {precision}, batches of {batch_size}: "
                f"{len(patches)} patches"
            )
        enlarge = Enlarge(
            upscaler, upscaler.load(options, weights_folder, device, precision), patches, device
        )
        shards = _upscale(enlarge, attributes, folder, ranks, batch_size)
        ranks.wait()
        if ranks.main:
            seen(list(shards))
            for path in shards:
                shutil.rmtree(_slices_folder(path), ignore_errors=True)  # of a run of more processes
            publish(shards, out)


def _upscale(
    enlarge: "Enlarge", attributes: dict[str, Any], folder: Path, ranks: Ranks, batch_size: int
) -> Ranges:
    """Write this process's part of what `folder` lacks, going on behind what it holds; return all shards."""
    patches = enlarge.patches
    first = _first(enlarge, folder, ranks, batch_size)
    attributes = attributes | {"scale": first.pictures.shape[1] // patches.image_shape[0]}
    shard_size = shard_writer.patches_per_shard(first.pictures.shape[1:])
    shards = _ranges(folder, range(len(patches)), shard_size)
    missing = _missing(shards, ranks)
    sliced = ranks.world > len(shards)
    todo = _missing(_slices(missing), ranks) if sliced else missing
    if ranks.main:
        left = sum(map(len, todo.values()))
        at_once = min(left, shard_size * ranks.world)  # parts, which become files
        count = (1 + sliced) * left + at_once
        need(folder, count * first.stored_bytes(), f"upscaling {left:,} patches")
    mine = {path: todo[path] for path in ranks.share(list(todo))}
    there = len(patches) - sum(map(len, todo.values()))
    work = partial(_compute, enlarge, first, attributes, mine, there, ranks)
    halving("upscale", work, first.batch_size, folder)
    if sliced:
        ranks.meet()
        _join({path: missing[path] for path in ranks.share(list(missing))}, attributes, ranks)
    return shards


def _first(enlarge: "Enlarge", folder: Path, ranks: Ranks, batch_size: int) -> "First":
    """Upscale the first batch, which tells the scale, and what size fits in all processes."""
    first = halving("upscale", enlarge.first, batch_size, folder)
    least = min(ranks.gather(first.batch_size))
    if least == first.batch_size:
        return first
    if ranks.main:
        say(f"upscale: out of memory in another process; going on with batches of {least}")
    return halving("upscale", enlarge.first, least, folder)


def _ranges(folder: Path, patches: range, size: int) -> Ranges:
    """Return the files of a store in `folder` with `size` patches each, the last one with what is left."""
    starts = enumerate(range(patches.start, patches.stop, size))
    return {
        shard_path(folder, number): range(start, min(start + size, patches.stop)) for number, start in starts
    }


def _slices(shards: Ranges) -> Ranges:
    """Return the slices of these shards."""
    return {path: part for shard, all_ in shards.items() for path, part in _slices_of(shard, all_).items()}


def _slices_of(shard: Path, patches: range) -> Ranges:
    return _ranges(_slices_folder(shard), patches, SLICE)


def _slices_folder(shard: Path) -> Path:
    return shard.with_suffix(".slices")


def _missing(files: Ranges, ranks: Ranks) -> Ranges:
    """Return the files that are not there as they were written; the processes share the looking."""
    mine = ranks.share(list(files))
    there = [path for path in mine if os.path.lexists(path)]
    sound = {
        path for path in (progress(there, "check", "file") if there and ranks.main else there) if kept(path)
    }
    lacking = {path for paths in ranks.gather([path for path in mine if path not in sound]) for path in paths}
    return {path: patches for path, patches in files.items() if path in lacking}


def _compute(
    enlarge: "Enlarge",
    first: "First",
    attributes: Mapping[str, Any],
    files: Ranges,
    there: int,
    ranks: Ranks,
    batch_size: int,
) -> None:
    """Write the files, those that a larger batch left undone."""
    left = {path: patches for path, patches in files.items() if not path.exists()}
    count, done = sum(map(len, files.values())), sum(map(len, files.values())) - sum(map(len, left.values()))
    bar: tqdm[Any]
    with _bar(attributes["sr"], count, done, there, ranks) as bar:
        for path, patches in left.items():
            with ShardWriter(path, attributes, resume=True) as writer:
                bar.update(writer.count)  # what an earlier run left of it
                starts = range(patches.start + writer.count, patches.stop, batch_size)
                batches = [range(start, min(start + batch_size, patches.stop)) for start in starts]
                with Behind(partial(_write, writer, enlarge.patches)) as write:
                    for batch in ahead(partial(enlarge.read, batch_size), batches):
                        ranks.check()
                        fetch = enlarge(batch) if batch.indices.start else first.part(batch.indices)
                        write((batch.indices, fetch))
                        bar.update(len(batch.indices))


def _bar(sr: str, count: int, done: int, there: int, ranks: Ranks) -> "tqdm[Any]":
    """Return the bar: of all patches or, of several processes, of the first one's part."""
    if ranks.world == 1:
        return progress([], sr, "patch", there + count, there + done)
    if ranks.main:
        return progress([], f"{sr}, process 1 of {ranks.world}", "patch", count, done)
    return tqdm(disable=True)


def _write(writer: ShardWriter, patches: PatchStore, batch: tuple[range, Fetch]) -> None:
    indices, fetch = batch
    writer.extend([_patch(patches, *pair) for pair in zip(indices, fetch(), strict=True)])


def _join(shards: Ranges, attributes: Mapping[str, Any], ranks: Ranks) -> None:
    """Write shards from their slices, which go."""
    for path, patches in shards.items():
        ranks.check()
        slices = _slices_of(path, patches)
        seen(list(slices))
        store = PatchStore(_slices_folder(path))
        if len(store) != len(patches):
            raise BadInput(
                f"{store.folder}: {len(store)} patches, expected {len(patches)}; delete it and run again"
            )
        with ShardWriter(path, attributes, resume=True) as writer:
            for start in range(writer.count, len(store), SLICE):
                indices = range(start, min(start + SLICE, len(store)))
                writer.extend([_patch(store, index, store[index]) for index in indices])
        shutil.rmtree(store.folder)


class Batch(NamedTuple):
    """Indices of patches, and images (size, H, W, 3) uint8: theirs, then copies of the last one."""

    indices: range
    images: torch.Tensor


class First(NamedTuple):
    """The pictures (n, H, W, 3) of the first batch, of the size that fits."""

    pictures: Image
    batch_size: int

    def part(self, indices: range) -> Fetch:
        return lambda: self.pictures[: len(indices)]

    def stored_bytes(self) -> int:
        """Estimate the bytes that a picture takes in a store: those of the first ones, and a margin."""
        found = [len(stored(picture).data) for picture in self.pictures]
        return min(self.pictures[0].nbytes, round(MARGIN * sum(found) / len(found)))


class Enlarge:
    """Upscales patches of a store a batch at a time; reading and fetching may be done in other threads."""

    def __init__(
        self, upscaler: Upscaler[Any], upscale: Upscale, patches: PatchStore, device: torch.device
    ) -> None:
        self.upscaler, self.upscale, self.patches, self.device = upscaler, upscale, patches, device

    def read(self, size: int, indices: range) -> Batch:
        full = _filled(indices, size)
        return Batch(indices, torch.from_numpy(self.upscaler.images(self.patches, full)))

    def __call__(self, batch: Batch) -> Fetch:
        """Begin to upscale; on a GPU, what is returned waits for it."""
        images = batch.images.pin_memory() if self.device.type == "cuda" else batch.images
        names = [self.patches.names[index] for index in _filled(batch.indices, len(images))]
        pictures = self.upscale(images.to(self.device, non_blocking=True), names)[: len(batch.indices)]
        return _fetching(pictures)

    def first(self, size: int) -> First:
        indices = range(min(size, len(self.patches)))
        return First(self(self.read(size, indices))(), size)


def _filled(indices: range, size: int) -> Sequence[int]:
    return [*indices, *[indices[-1]] * (size - len(indices))]


def _fetching(pictures: torch.Tensor) -> Fetch:
    """Begin to copy from the device; pinned memory takes what a GPU sends while it computes on."""
    if pictures.device.type != "cuda":
        return pictures.numpy
    host = torch.empty(pictures.shape, dtype=pictures.dtype, pin_memory=True)
    host.copy_(pictures, non_blocking=True)
    copied = torch.cuda.Event(blocking=True)
    copied.record()

    def fetch() -> Image:
        with torch.cuda.device(pictures.device):  # of this thread
            copied.synchronize()
        return host.numpy()

    return fetch


def _patch(patches: PatchStore, index: int, picture: Image) -> Patch:
    return Patch(patches.names[index], patches.split_of(index), patches.labels[index], picture)

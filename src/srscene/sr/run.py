"""Upscales a whole store, a part at a time: knows batches and shards, and no model.

Part k is shard k of the store, the patches from k·PER_SHARD on. Any number of workers, started by anything,
do this loop side by side: each claims a part that is not there, writes it to scratch, claims the next one.
Batches do not cross parts, and every batch is full, since kernels round differently for another batch size: a
patch's bytes depend neither on who computes it nor on where a run was interrupted.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from srscene.core.store import INDEX, Image, Patch, PatchStore, shard_path
from srscene.core.writer import PER_SHARD, write_index, write_shard
from srscene.runtime.console import progress, say
from srscene.runtime.device import describe, fitting, halving, kind_of, pick_device
from srscene.runtime.files import need
from srscene.runtime.key import with_device
from srscene.runtime.machine import Crowded, Machine, first_process, own_cores
from srscene.runtime.params import Section, recorded
from srscene.runtime.parts import claim, claimed, kept, locked, piece, publish
from srscene.runtime.threads import ahead
from srscene.sr.common.checkpoints import weights_sha256
from srscene.sr.common.upscaler import Upscale, Upscaler, find

Parts = dict[Path, range]
"""The files of a store, and the patches that each holds."""
Enlarge = Callable[[range, int], Iterator[Image]]
"""Patches and the size of a batch -> pictures, batch by batch."""


def upscale_store(
    name: str, options: Section, machine: Machine, patches: PatchStore, weights_folder: Path, out: Path,
    key: str, per_shard: int = PER_SHARD,
) -> None:  # fmt: skip
    """Write every patch of `patches`, upscaled, to the store `out`, with its labels, split and name.

    `weights_folder` is what the stage `weights` made, `key` stands for all that decides the result but device
    and precision. The store's attributes are those of `patches`, and sr, options, precision, scale and the
    SHA-256 of the weights: `load_from_card` makes the upscaler from them.
    """
    device, upscaler = pick_device(), find(name)
    precision = upscaler.precision(options, device)
    attributes = patches.attributes | {
        "sr": name,
        "options": recorded(options),
        "precision": precision,
        "weights": weights_sha256(weights_folder),
    }
    with claimed("upscale", with_device(key, kind_of(device), precision), shared=True) as folder:
        ranges = [
            range(len(patches))[start : start + per_shard] for start in range(0, len(patches), per_shard)
        ]
        parts = {shard_path(folder, number): indices for number, indices in enumerate(ranges)}
        size = fitting(folder, machine.batch(device, upscaler.gpu_batch, upscaler.cpu_batch))
        if first_process():
            where = f"{name} on {describe(device)}, {precision}, batches of {size}"
            say(f"upscale: {where}: {len(patches)} patches")
        upscale = upscaler.load(options, weights_folder, device, precision)
        enlarge = partial(_enlarged, patches, upscaler, upscale, device)
        work = partial(_write_parts, parts, patches, enlarge, attributes)
        halving("upscale", work, size, folder)
        while not _published(parts, folder, out):
            halving("upscale", work, size, folder)


def _write_parts(
    parts: Parts, patches: PatchStore, enlarge: Enlarge, attributes: dict[str, Any], batch_size: int
) -> None:
    """Write the parts that are not there, until all are; others may write some of them meanwhile."""
    bar: tqdm[Any] = progress([], attributes["sr"], "patch", len(patches))
    bar.disable, crowded = not first_process(), Crowded()
    with bar, closing(claim([*parts])) as claims:
        for part in claims:
            there = set(os.listdir(part.parent))
            left = {other: indices for other, indices in parts.items() if other.name not in there}
            bar.update(len(patches) - sum(map(len, left.values())) - bar.n)
            size = fitting(part.parent, batch_size)  # another worker may have found less memory
            pictures = enlarge(parts[part], size)
            first = next(pictures)
            scale = first.shape[1] // patches.image_shape[0]
            rows = _patches(parts[part], patches, chain([first], pictures), bar)
            with piece(part) as temporary:
                write_shard(temporary, rows, attributes | {"scale": scale}, own_cores())
            crowded.look()
            need(part, (len(left) - 1) * part.stat().st_size, f"the {len(left) - 1:,} parts that are left")


def _enlarged(
    patches: PatchStore, upscaler: Upscaler[Any], upscale: Upscale, device: torch.device,
    indices: range, size: int,
) -> Iterator[Image]:  # fmt: skip
    """Yield patches upscaled, a batch (n, H, W, 3) at a time; copies of the last one fill the last batch."""

    def read(batch: range) -> tuple[list[int], torch.Tensor]:
        full = [*batch, *[batch[-1]] * (size - len(batch))]
        return full, torch.from_numpy(upscaler.images(patches, full))

    batches = [indices[start : start + size] for start in range(0, len(indices), size)]
    for batch, (full, images) in zip(batches, ahead(read, batches), strict=True):
        pictures = upscale(images.to(device), [patches.names[index] for index in full])
        yield pictures[: len(batch)].cpu().numpy()


def _patches(indices: range, patches: PatchStore, pictures: Iterator[Image], bar: Any) -> Iterator[Patch]:
    for index, picture in zip(indices, chain.from_iterable(pictures), strict=True):
        yield Patch(patches.names[index], patches.split_of(index), patches.labels[index], picture)
        bar.update()


def _published(parts: Parts, folder: Path, out: Path) -> bool:
    """Publish the parts to `out`, unless another worker has; False where one turns out to be damaged."""
    with locked(folder / "publishing.lock"):
        shown = progress(parts, "check", "file") if first_process() else parts
        if [part for part in shown if not kept(part)]:
            return False
        index = folder / INDEX
        write_index([*parts], index)
        if not (out / INDEX).exists() or (out / INDEX).read_bytes() != index.read_bytes():
            publish([*parts, index], out)
        return True

"""Upscales a whole store: knows batches and shards, and no model.

Work is kept in scratch piece by piece, so that a run which was killed goes on where it was. Shards hold fixed
ranges of patches, batches do not cross them, and every batch is full, since kernels round differently for
another batch size: a patch's bytes do not depend on shards, or on where a run was interrupted.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from srscene.core import shard_writer
from srscene.core.console import progress, say
from srscene.core.device import describe, halving, pick_device
from srscene.core.disk import need
from srscene.core.machine import Machine, one_process
from srscene.core.params import Section
from srscene.core.scratch import claimed, code, fingerprint, kept, publish
from srscene.core.shard_writer import ShardWriter
from srscene.core.store import Image, Patch, PatchStore, shard_path
from srscene.sr.common.checkpoints import weights_file, weights_sha256
from srscene.sr.common.upscaler import Upscale, Upscaler, find


def upscale_store(
    name: str, options: Section, machine: Machine, patches: PatchStore, weights_folder: Path, out: Path
) -> None:
    """Write every patch of `patches`, upscaled, to the store `out`, with its labels, split and name.

    `weights_folder` is what the stage `weights` made. The store's attributes are those of `patches`, and sr,
    options, precision, scale and the SHA-256 of the weights: `load_from_card` makes the upscaler from them.
    """
    one_process("upscale")
    device, upscaler = pick_device(), find(name)
    precision = upscaler.precision(options, device)
    attributes = patches.attributes | {
        "sr": name,
        "options": options.model_dump(),
        "precision": precision,
        "weights": weights_sha256(weights_folder),
    }
    batch_size = machine.batch(device, upscaler.gpu_batch, upscaler.cpu_batch)
    settings = [attributes, describe(device), torch.__version__, patches.digest, shard_writer.SHARD_BYTES]
    with claimed("upscale", fingerprint(settings, _files(name, weights_folder))) as folder:
        say(
            f"upscale: {name} on {describe(device)}, {precision}, batches of {batch_size}: "
            f"{len(patches)} patches"
        )
        upscale = upscaler.load(options, weights_folder, device, precision)
        batch = partial(_batch, upscaler, upscale, patches, device)
        work = partial(_upscale, batch, patches, attributes, folder)
        halving("upscale", work, batch_size)
        publish(sorted(folder.glob("shard-*.h5")), out)


def _upscale(
    batch: Callable[[Sequence[int], int], Image],
    patches: PatchStore,
    attributes: dict[str, Any],
    folder: Path,
    batch_size: int,
) -> None:
    """Write the shards that `folder` lacks, going on behind what it holds of one."""
    count = len(patches)
    first = batch(range(min(batch_size, count)), batch_size)  # tells the scale
    attributes = attributes | {"scale": first.shape[1] // patches.image_shape[0]}
    shard_size = shard_writer.patches_per_shard(first.shape[1:])
    shards = {
        shard_path(folder, number): range(start, min(start + shard_size, count))
        for number, start in enumerate(range(0, count, shard_size))
    }
    there = [path for path in shards if path.exists()]
    sound = {path for path in progress(there, "check", "shard") if kept(path)} if there else set()
    todo = {path: shard for path, shard in shards.items() if path not in sound}
    left = sum(map(len, todo.values()))
    done = count - left
    need(folder, (left + min(left, shard_size)) * first[0].nbytes, f"upscaling {left:,} patches")
    bar: tqdm[Any]
    with progress([], attributes["sr"], "patch", count, done) as bar:
        for path, shard in todo.items():
            with ShardWriter(path, attributes, resume=True) as writer:
                bar.update(writer.count)  # what an earlier run left of it
                for start in range(shard.start + writer.count, shard.stop, batch_size):
                    indices = range(start, min(start + batch_size, shard.stop))
                    pictures = first[: len(indices)]
                    if start:
                        pictures = batch(indices, batch_size)
                    writer.extend([_patch(patches, *pair) for pair in zip(indices, pictures, strict=True)])
                    bar.update(len(indices))


def _batch(
    upscaler: Upscaler[Any],
    upscale: Upscale,
    patches: PatchStore,
    device: torch.device,
    indices: Sequence[int],
    size: int,
) -> Image:
    """Return the pictures (n, H, W, 3) of n patches; copies of the last one fill the batch up to `size`."""
    full = [*indices, *[indices[-1]] * (size - len(indices))]
    images = torch.from_numpy(upscaler.images(patches, full)).to(device)
    pictures: Image = upscale(images, [patches.names[index] for index in full])[: len(indices)].cpu().numpy()
    return pictures


def _patch(patches: PatchStore, index: int, picture: Image) -> Patch:
    return Patch(patches.names[index], patches.split_of(index), patches.labels[index], picture)


def _files(name: str, weights_folder: Path) -> list[Path]:
    """The small files whose edit may change a pixel: code, and what lies beside the weights."""
    here = Path(__file__).parent
    own = here / name
    beside = [file for file in sorted(weights_folder.rglob("*")) if file.is_file()]
    settings = [file for file in beside if file != weights_file(weights_folder)]  # that one is hashed anyway
    return [*code(own / "model", own / "options.py", here / "common", Path(__file__)), *settings]

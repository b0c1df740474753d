"""Upscales a whole store: knows batches, shards and precision, and no model.

A finished shard is kept in scratch, so that a run that was killed goes on where it was. Shards hold fixed
ranges of patches and batches do not cross them: the bytes do not depend on where a run was interrupted.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from srscene.console import progress, say
from srscene.device import describe, pick_device, pick_precision
from srscene.scratch import fingerprint, publish, scratch
from srscene.sr.checkpoints import weights_file
from srscene.sr.download import sha256
from srscene.sr.upscaler import Upscale, Upscaler, UpscalerOptions
from srscene.store import SPLITS, Patch, PatchStore, ShardWriter, Split, shard_path


def upscale_store(
    name: str,
    upscaler: Upscaler[Any],
    options: UpscalerOptions,
    patches: PatchStore,
    weights: Path,
    out: Path,
) -> None:
    """Write every patch of `patches`, upscaled, to the store `out`, with its labels, split and name.

    `weights` is the folder that the upscaler's `prepare` filled. The store's attributes tell sr, scale,
    precision and the sha256 of the weights.
    """
    device = pick_device()
    precision = pick_precision(options.precision, device, upscaler.gpu_precision)
    file = weights_file(weights)
    attributes = {"sr": name, "precision": precision, "weights": sha256(file) if file.exists() else None}
    settings = [name, options.model_dump(), precision, describe(device), torch.__version__]
    folder = scratch("upscale", fingerprint(settings, [patches.folder, weights, *_code(name)]))

    shards = {
        shard_path(folder, number): range(start, min(start + options.shard_size, len(patches)))
        for number, start in enumerate(range(0, len(patches), options.shard_size))
    }
    todo = {path: indices for path, indices in shards.items() if not path.exists()}
    left = sum(map(len, todo.values()))
    say(
        f"upscale: {name} on {describe(device)}, {precision}, batches of {options.batch_size}: "
        f"{left} of {len(patches)} patches to do"
    )
    if todo:
        upscale = upscaler.load(options, weights, device, precision)
        work = chain.from_iterable(
            _write(path, patches, indices, _batches(patches, indices, upscale, options, device), attributes)
            for path, indices in todo.items()
        )
        for _ in progress(work, name, "patch", len(patches), len(patches) - left):
            pass
    publish(folder, out)


def _batches(
    patches: PatchStore,
    indices: Sequence[int],
    upscale: Upscale,
    options: UpscalerOptions,
    device: torch.device,
) -> Iterator[NDArray[np.uint8]]:
    """Yield (n, H, W, 3) uint8 for each batch of up to `batch_size` patches."""
    for start in range(0, len(indices), options.batch_size):
        batch = indices[start : start + options.batch_size]
        images = torch.from_numpy(np.stack([patches[index] for index in batch])).to(device)
        yield upscale(images, [patches.names[index] for index in batch]).cpu().numpy()


def _write(
    path: Path,
    patches: PatchStore,
    indices: Sequence[int],
    batches: Iterator[NDArray[np.uint8]],
    attributes: dict[str, Any],
) -> Iterator[str]:
    """Write one shard, yielding each patch's name once it is added."""
    first = next(batches)
    scale = first.shape[1] // patches.image_shape[0]
    images = chain.from_iterable(chain([first], batches))
    with ShardWriter(path, len(indices), attributes | {"scale": scale}) as writer:
        for index, image in zip(indices, images, strict=True):
            name, split = patches.names[index], SPLITS[patches.split[index]]
            writer.add(Patch(name, cast(Split, split), patches.labels[index], image))
            yield name


def _code(name: str) -> list[Path]:
    """The files whose edit may change a pixel: all of the upscaler's, and the code that all share."""
    here = Path(__file__).parent
    own = (file for file in (here / name).rglob("*") if file.is_file() and file.suffix != ".pyc")
    return sorted([*here.glob("*.py"), *own])

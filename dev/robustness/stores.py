"""Stores opened by PatchStore, and predictions.h5, which is HDF5 without checksums in it.

A store's index has a digest, which is compared when it is opened, and a checksum of each image, which is
compared when that is read: no damage goes unseen. Of predictions, DVC's hash of the file guards the values.
"""

import multiprocessing
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.random import default_rng

from dev.robustness.judge import SECONDS, Attempt
from dev.robustness.mutations import UNSEEN, damage
from srscene.core import predictions
from srscene.core.predictions import Predictions
from srscene.core.store import INDEX, Image, PatchStore, shard_path
from tests.sr.sr_data import images, store

FORK = multiprocessing.get_context("fork")


def shards(folder: Path, seed: int) -> Iterator[Attempt]:
    yield from _shards(folder / "patches", images(5, 8, 8), seed)


def compressed(folder: Path, seed: int) -> Iterator[Attempt]:
    yield from _shards(folder / "patches", images(3, 184, 184), seed)


def _shards(folder: Path, pixels: Image, seed: int) -> Iterator[Attempt]:
    store(folder, pixels)
    yield from _attempts(shard_path(folder, 0), partial(_all_of, folder), seed, unseen=())


def index(folder: Path, seed: int) -> Iterator[Attempt]:
    store(folder / "patches", images(5, 8, 8))
    yield from _attempts(folder / "patches" / INDEX, partial(_all_of, folder / "patches"), seed, unseen=())


def predicted(folder: Path, seed: int) -> Iterator[Attempt]:
    rng = default_rng(seed)
    split = Predictions(
        rng.random((5, 19), np.float32),
        rng.integers(0, 2, (5, 19)).astype(np.uint8),
        [f"patch_{number}" for number in range(5)],
    )
    file = folder / "predictions.h5"
    predictions.write(file, {"val": split, "test": split}, {"backbone": "resnet50"})
    yield from _attempts(file, partial(_bytes_of, file), seed)


def _attempts(
    file: Path, run: Callable[[], object], seed: int, unseen: Collection[str] = UNSEEN
) -> Iterator[Attempt]:
    data, expected = file.read_bytes(), run()
    apart = partial(_apart, run)
    for number in count():
        kind = damage(file, data, default_rng([seed, number]))
        names = (file.name, f"{file.parent}: no index")  # the latter where there is none
        yield Attempt(f"{kind}, seed {[seed, number]}", apart, expected, names, kind in unseen)


def _apart(run: Callable[[], object]) -> object:
    """Run in a process of its own, which can be ended where HDF5 loops or crashes."""
    here, there = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_send, args=(there, run))
    child.start()
    there.close()
    try:
        if not here.poll(SECONDS / 2):
            raise TimeoutError("no end")
        result = here.recv()
    finally:
        child.kill()
        child.join()
    if isinstance(result, Exception):
        raise result
    return result


def _send(there: Connection, run: Callable[[], object]) -> None:
    try:
        there.send(run())
    except Exception as error:
        there.send(error)


def _all_of(folder: Path) -> object:
    """Return all that a store gives."""
    found = PatchStore(folder)
    pixels = [image.tobytes() for image in found]
    splits = [found.split_of(index) for index in range(len(found))]
    return found.names, found.labels.tobytes(), splits, found.attributes, pixels


def _bytes_of(file: Path) -> object:
    splits, attributes = predictions.read(file)
    return attributes, [
        (name, split.names, split.probabilities.tobytes(), split.labels.tobytes())
        for name, split in splits.items()
    ]

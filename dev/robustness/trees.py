"""Extracted trees, ingested: bands, label files, lists and metadata, none of which has a checksum.

What is cut, empty or something else altogether is refused. A flipped pixel, another label's name or another
patch's in a list is as good as the true one; `md5sum` of the archive that they came in is what guards them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from numpy.random import default_rng

from dev.robustness.archives import ingested
from dev.robustness.judge import Attempt, quietly
from dev.robustness.mutations import UNSEEN, damage, restore
from tests.ingest.raw_patches import write_v1, write_v2


def bands(folder: Path, seed: int) -> Iterator[Attempt]:
    yield from _attempts(folder, "BigEarthNet-v1.0/*/*.tif", UNSEEN, seed)


def labels(folder: Path, seed: int) -> Iterator[Attempt]:
    yield from _attempts(folder, "BigEarthNet-v1.0/*/*.json", UNSEEN, seed)


def lists(folder: Path, seed: int) -> Iterator[Attempt]:
    """An empty list is one way to say that a split is empty, and a shorter one names fewer patches."""
    yield from _attempts(folder, "*.csv", {*UNSEEN, "cut", "empty"}, seed)


def metadata(folder: Path, seed: int) -> Iterator[Attempt]:
    """Of version 2."""
    yield from _attempts(folder, "metadata.parquet", UNSEEN, seed, write_v2)


def _attempts(
    folder: Path, pattern: str, unchecked: set[str], seed: int, write: Callable[[Path], object] = write_v1
) -> Iterator[Attempt]:
    root = folder / "raw"
    write(root)
    files = {file: file.read_bytes() for file in sorted(root.glob(pattern))}
    run = partial(ingested, root, folder / "patches")
    expected = quietly(run)
    for number in count():
        rng = default_rng([seed, number])
        file = [*files][int(rng.integers(len(files)))]
        kind = damage(file, files[file], rng)
        words = f"{kind}: {file.name}, seed {[seed, number]}"
        yield Attempt(words, run, expected, (file.name,), kind in unchecked)
        restore(file, files[file])

"""Archives, ingested: where there is a checksum in them, no damaged pixel passes for a good one."""

import bz2
import gzip
import shutil
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import zstandard
from numpy.random import default_rng

from dev.robustness.judge import Attempt, quietly
from dev.robustness.mutations import FILES, UNSEEN, damage, restore
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from tests.ingest.raw_patches import LABELS, NAMES, write_lists, write_patch
from tests.options import section

STOP = section("datasets.bigearthnet", IngestOptions)


def plain(folder: Path, seed: int) -> Iterator[Attempt]:
    """Only headers have a checksum here: damage between them alone does not show."""
    archive = folder / "raw/S2.tar"
    for attempt in _attempts(folder, archive.name, bytes, seed):
        unseen = attempt.mutation.partition(",")[0] in UNSEEN
        yield attempt._replace(unchecked=unseen and _same_headers(archive, folder / "plain"))


def gzipped(folder: Path, seed: int) -> Iterator[Attempt]:
    yield from _attempts(folder, "S2.tar.gz", lambda data: gzip.compress(data, mtime=0), seed)


def bzip2(folder: Path, seed: int) -> Iterator[Attempt]:
    yield from _attempts(folder, "S2.tar.bz2", bz2.compress, seed)


def zstd(folder: Path, seed: int) -> Iterator[Attempt]:
    yield from _attempts(folder, "S2.tar.zst", zstandard.ZstdCompressor(write_checksum=True).compress, seed)


def ingested(root: Path, out: Path) -> dict[str, bytes]:
    """Ingest `root`; return the store's files, which are removed."""
    ingest(root, out, "bigearthnet", STOP, threads=1)
    store = {file.name: file.read_bytes() for file in out.iterdir()}
    shutil.rmtree(out)
    return store


def _attempts(folder: Path, name: str, pack: Callable[[bytes], bytes], seed: int) -> Iterator[Attempt]:
    root = folder / "raw"
    write_lists(root, {"train": NAMES[:1], "val": [], "test": []})
    archive, data = root / name, pack(_tar(folder))
    restore(archive, data)
    run = partial(ingested, root, folder / "patches")
    expected = quietly(run)
    for number in count():
        kind = damage(archive, data, default_rng([seed, number]))
        names = (name, str(root)) if kind in FILES else (name,)  # where there is no archive, the folder
        yield Attempt(f"{kind}, seed {[seed, number]}", run, expected, names)


def _same_headers(archive: Path, plain: Path) -> bool:
    with tarfile.open(plain) as tar:
        spans = [slice(member.offset, member.offset_data) for member in tar]
    found, whole = archive.read_bytes(), plain.read_bytes()
    return all(found[span] == whole[span] for span in spans)


def _tar(folder: Path) -> bytes:
    """A patch, packed."""
    write_patch(folder, NAMES[0], 0, LABELS)
    with tarfile.open(folder / "plain", "w") as tar:
        tar.add(folder / NAMES[0], f"BigEarthNet-v1.0/{NAMES[0]}")
    return (folder / "plain").read_bytes()

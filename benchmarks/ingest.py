"""python -m benchmarks.ingest [--quick]: reading BigEarthNet v1, srscene beside TorchGeo and rasterio.

The patches are the six real ones of bigearthnet-common, turned and mirrored, under many names and at as many
places, RGB bands and label file only, in a warm cache: no header comes twice, and what is alike is further
apart than an archive's compression looks back. All but the last rows are one thread. TorchGeo is an optional
peer: pip install torchgeo.
"""

import gzip
import os
import shutil
import struct
import sys
import tarfile
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import zstandard
from isal import igzip

from benchmarks.common import Row, compare, peak_memory, rates, show
from srscene.ingest.decode import decode
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.ingest.sources import FolderPatch, find_patches
from srscene.ingest.splits import read_splits
from srscene.ingest.tiff import PIXEL_BYTES, SIZE
from srscene.raw.layout import BAND_FILES, LABEL_FILE, LISTS, TORCHGEO_LISTS, V1_FOLDER, write_lists
from srscene.runtime.console import say

SUFFIXES = [*BAND_FILES, LABEL_FILE]
PACKERS: dict[str, Callable[[Path, str], Any]] = {".tar.gz": gzip.open, ".tar.zst": zstandard.open}
OPTIONS = IngestOptions(reflectance_max=2000, on_error="stop")


def run(quick: bool) -> list[Row]:
    """Measure patches/s, beside TorchGeo, and the peak memory of a whole ingestion."""
    count, rounds = (120, 3) if quick else (1500, 7)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = make_tree(root / "raw", count, copy_as_another)
        cases = readers(root / "raw", names)
        reading = rates("ingest", "patch", count, compare(cases, rounds), next(iter(cases)))
        archives = {suffix: pack(root / "raw", root / suffix, suffix) for suffix in PACKERS}
        seconds = compare(ingestions(root, archives), 3) | compare(decompressors(archives), 3)
        whole = rates("ingest", "patch", count, seconds, "srscene, tree to store")
        return reading + whole + memory(root, 200 if quick else 1000)


def make_tree(root: Path, count: int, place: Callable[[Path, Path], object]) -> list[str]:
    """Write `count` patches in version 1's layout, and lists for both readers; return the names."""
    package = distribution("bigearthnet-common")
    archive = str(package.locate_file("bigearthnet_common/BigEarthNet-S2-Example.tar.bz2"))
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none
        tar.extractall(root / "real")
    real = sorted((root / "real" / "BigEarthNet-S2-Example").iterdir())
    names = [f"S2A_MSIL2A_20170613T101031_{number // 100}_{number % 100}" for number in range(count)]
    for number, name in enumerate(names):
        source = real[number % len(real)]
        patch = root / V1_FOLDER / name
        patch.mkdir(parents=True)
        for suffix in SUFFIXES:
            place(source / f"{source.name}_{suffix}", patch / f"{name}_{suffix}")
    shutil.rmtree(root / "real")
    write_lists(root, {"train": names, "val": [], "test": []})
    for split, file in LISTS.items():
        (root / TORCHGEO_LISTS[split]).write_text((root / file).read_text().replace("\n", ",-\n"))
    return names


def copy_as_another(source: Path, target: Path) -> None:
    """Copy a patch's file, a band at another easting and turned, both by the patch's number."""
    data = source.read_bytes()
    if source.suffix == ".tif":
        row, column = map(int, target.parent.name.split("_")[-2:])
        with rasterio.open(source) as band:
            easting = band.transform.c
        moved = struct.pack("<d", easting + 1200 * (100 * row + column))
        header = data[:-PIXEL_BYTES].replace(struct.pack("<d", easting), moved)
        turn = (100 * row + column) // 6 % 8
        pixels = np.rot90(np.frombuffer(data, "<u2", offset=len(header)).reshape(SIZE, SIZE), turn)
        data = header + (pixels.T if turn > 3 else pixels).tobytes()
    target.write_bytes(data)


def readers(root: Path, names: list[str]) -> dict[str, Callable[[], object]]:
    """Return what reads every patch in one thread: bands to an image in memory, and labels."""
    tree, listed = root / V1_FOLDER, read_splits(root).listed
    patches = [patch for patch in find_patches(root, listed) if isinstance(patch, FolderPatch)]

    def with_rasterio() -> None:
        for name in names:
            bands = [rasterio.open(tree / name / f"{name}_{file}").read(1) for file in BAND_FILES]
            np.clip(np.stack(bands, -1) / 2000 * 255, 0, 255).astype(np.uint8)

    def raw() -> None:
        for name in names:
            for suffix in SUFFIXES:
                file = os.open(f"{tree}/{name}/{name}_{suffix}", os.O_RDONLY)
                os.read(file, 2**15)
                os.close(file)

    def ours() -> None:
        for patch in patches:
            decode(patch, listed[patch.name], 2000, None)

    cases: dict[str, Callable[[], object]] = {}
    if find_spec("torchgeo"):
        from torchgeo.datasets import BigEarthNet  # type: ignore[import-not-found]

        peer = BigEarthNet(str(root), split="train", bands="s2", num_classes=19)
        cases["TorchGeo, RGB and labels"] = lambda: [peer[index] for index in range(len(peer))]
    else:
        say("ingest: torchgeo is not installed, so ratios are against rasterio; pip install torchgeo")
    return cases | {
        "rasterio, RGB to 8 bits": with_rasterio,
        "srscene, RGB to 8 bits and labels": ours,
        "the files' bytes, the limit": raw,
    }


def ingestions(root: Path, archives: dict[str, Path]) -> dict[str, Callable[[], object]]:
    """Return whole ingestions, with as many threads as there are cores."""
    return {
        f"srscene, {name} to store": partial(ingest, source, root / "out", "bigearthnet", OPTIONS)
        for name, source in {"tree": root / "raw", **archives}.items()
    }


def decompressors(archives: dict[str, Path]) -> dict[str, Callable[[], object]]:
    """Return what unpacks an archive, in one thread, and does nothing with it; ingest uses ISA-L and zstd."""

    def drain(unpacked: Callable[[Path], Any], archive: Path) -> None:
        with unpacked(archive) as stream:
            while stream.read(1 << 17):
                pass

    cases: list[tuple[str, str, Callable[[Path], Any]]] = [
        ("zlib", ".tar.gz", gzip.open),
        ("ISA-L", ".tar.gz", igzip.open),
        ("zstd", ".tar.zst", zstandard.open),
    ]
    return {
        f"{name} alone, {suffix}": partial(drain, unpacked, archives[suffix] / f"BigEarthNet{suffix}")
        for name, suffix, unpacked in cases
    }


def pack(raw: Path, folder: Path, suffix: str) -> Path:
    """Pack the tree into an archive in `folder`, and copy its lists."""
    folder.mkdir()
    for file in LISTS.values():
        shutil.copy(raw / file, folder)
    with (
        PACKERS[suffix](folder / f"BigEarthNet{suffix}", "wb") as file,
        tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        tar.add(raw / V1_FOLDER, V1_FOLDER)
    return folder


MEMORY = """
import sys
from pathlib import Path
from benchmarks.ingest import OPTIONS
from srscene.ingest.ingest import ingest
ingest(Path(sys.argv[1]), Path(sys.argv[2]), "bigearthnet", OPTIONS, per_shard=256)
"""


def memory(root: Path, count: int) -> list[Row]:
    """Return the peak memory of a process that ingests `count` and ten times as many patches."""
    peaks = {}
    for size in (count, 10 * count):
        make_tree(root / str(size), size, os.link)
        peaks[size] = peak_memory(MEMORY, root / str(size), root / "out")
    return [
        Row("ingest", f"peak memory at {size:,} patches", peak, "MiB", peak / peaks[count])
        for size, peak in peaks.items()
    ]


if __name__ == "__main__":
    show(run(quick="--quick" in sys.argv))

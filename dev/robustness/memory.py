"""How much memory small or hollow files take that promise to be huge, above what a good file takes.

python -m dev.robustness.memory FOLDER

Each is read by the real function, in a fork of this process of its own; what came of it is printed as JSON.
"""

import json
import os
import struct
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import rasterio
import torch
import zstandard
from rasterio import Affine
from safetensors.torch import save_file

from benchmarks.common import own_peak_memory
from dev.robustness.archives import ingested
from dev.robustness.judge import quietly
from dev.robustness.params import TEXT
from dev.robustness.stores import FORK
from srscene.check import check
from srscene.core import predictions
from srscene.core.predictions import Predictions
from srscene.core.store import INDEX, PatchStore
from srscene.runtime.console import BadInput
from srscene.sr.common.checkpoints import read as read_checkpoint
from tests.ingest.raw_patches import LABELS, NAMES, write_lists, write_metadata, write_patch
from tests.sr.sr_data import images, store

NAME = NAMES[0]
PATCH = f"BigEarthNet-v1.0/{NAME}"
GIGABYTE = 1 << 30
TOO_MUCH, TOO_LONG = 4096.0, 60.0
"""MiB and seconds at which a reader is ended."""


class Hostile(NamedTuple):
    """A good `file` that `run` reads, and what makes it a hostile one."""

    file: Path
    run: Callable[[], object]
    worsen: Callable[[Path], object]


@dataclass
class Taken:
    """What reading a hostile file took."""

    what: str
    file_bytes: int
    above_normal: float
    """MiB of resident memory at the peak, above the peak of reading the good file."""
    seconds: float
    said: str
    """The refusal; else what else came of it."""
    named: bool
    """Whether it was refused by the name of the file."""


def measured(folder: Path) -> list[Taken]:
    """Return what all hostile files take, read in a fresh process."""
    command = [sys.executable, "-m", "dev.robustness.memory", str(folder)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [Taken(**json.loads(line)) for line in ended.stdout.splitlines()]


def taken(what: str, folder: Path) -> Taken:
    """Read a good file, make it hostile, and read it again."""
    folder.mkdir()
    hostile = HOSTILE[what](folder)
    normal, said, _ = _apart(hostile.run)
    assert not said, f"{what}: {said}"
    _, problem, _ = _apart(partial(hostile.worsen, hostile.file))  # memory that it takes is not the reader's
    assert not problem, f"{what}: {problem}"
    peak, said, seconds = _apart(hostile.run)
    size = hostile.file.stat().st_size
    hostile.file.unlink()
    return Taken(what, size, peak - normal, seconds, said, hostile.file.name in said)


def _apart(run: Callable[[], object]) -> tuple[float, str, float]:
    """Run in a fork; return its peak of memory in MiB, how it was refused ("": not at all), and seconds."""
    here, there = FORK.Pipe(duplex=False)
    child, began, peak = FORK.Process(target=_send, args=(there, run)), time.monotonic(), 0.0
    child.start()
    there.close()
    while not here.poll(0.02):
        peak = max(peak, _resident(child.pid))
        if peak > TOO_MUCH or time.monotonic() - began > TOO_LONG:
            child.kill()
    seconds = time.monotonic() - began
    with suppress(EOFError):
        peak, said = here.recv()
        child.join()
        return peak, said, seconds
    return peak, "ended: it took too much, or too long", seconds


def _send(there: Connection, run: Callable[[], object]) -> None:
    said = ""
    try:
        quietly(run)
    except BadInput as error:
        said = str(error)
    except Exception as error:
        said = f"no refusal: {error!r}"
    there.send((own_peak_memory(), said))


def _resident(process: int | None) -> float:
    """Return the memory that a process has, in MiB; 0 where it has ended."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def _hollow(file: Path, size: int = 2 * GIGABYTE) -> None:
    """Zeros that take no room on the disk."""
    file.unlink()
    file.touch()
    os.truncate(file, size)


def _tree(folder: Path, file: str, worsen: Callable[[Path], object]) -> Hostile:
    """A tree with one patch; `file` is in it."""
    root = folder / "raw"
    write_patch(root / "BigEarthNet-v1.0", NAME, 0, LABELS)
    write_lists(root, {"train": [NAME], "val": [], "test": []})
    if file.endswith(".png"):
        (root / "reference").mkdir()
        (root / file).write_bytes(_png_of(480, zlib.compress(bytes(480 * (1 + 3 * 480)))))
    return Hostile(root / file, partial(ingested, root, folder / "patches"), worsen)


def _tiff(file: Path) -> None:
    """300,000×300,000 pixels of which none is there."""
    huge = {"width": 300_000, "height": 300_000, "count": 1, "dtype": "uint16", "tiled": True}
    tiles = {"blockxsize": 8192, "blockysize": 8192, "compress": "deflate", "SPARSE_OK": True}
    with rasterio.open(file, "w", driver="GTiff", transform=Affine(10, 0, 0, 0, -10, 0), **huge, **tiles):
        pass


def _strip(file: Path) -> None:
    """A band's shape, and a strip that unpacks to a gigabyte."""
    packed = zstandard.ZstdCompressor().compress(bytes(GIGABYTE))
    values = {256: 120, 257: 120, 258: 16, 259: 50000, 262: 1, 273: 8, 277: 1, 278: 120, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    directory = struct.pack("<H", len(values)) + entries + bytes(4)
    file.write_bytes(struct.pack("<4sI", b"II*\0", 8 + len(packed)) + packed + directory)


def _long_text(file: Path) -> None:
    os.truncate(file, 300_000_000)


def _png(file: Path) -> None:
    """60,000×60,000 pixels, in 200 bytes."""
    file.write_bytes(_png_of(60_000, zlib.compress(bytes(10_000))))


def _png_rows(file: Path) -> None:
    """A reference's shape, and pixels that unpack to far more."""
    file.write_bytes(_png_of(480, zlib.compress(bytes(500_000_000), 1)))


def _png_of(side: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _names(file: Path) -> None:
    """Names as short as they can be, of as many patches as 64 MB hold."""
    file.write_text("\n".join(map(str, range(8_000_000))))


def _blank(file: Path) -> None:
    file.write_bytes(b"\n" * 60_000_000)


def _archive(folder: Path, name: str) -> Hostile:
    """A packed patch; one band of a gigabyte and more takes its place."""
    root = folder / "raw"
    write_patch(folder, NAME, 0, LABELS)
    write_lists(root, {"train": [NAME], "val": [], "test": []})

    def pack(file: Path, *huge: Path) -> None:
        with tarfile.open(folder / "plain", "w") as tar:
            tar.add(folder / NAME, PATCH)
        plain = folder / "plain"
        if huge:
            band = tarfile.TarInfo(f"{PATCH}/{NAME}_B04.tif")
            band.size = GIGABYTE
            plain.write_bytes(band.tobuf())
            os.truncate(plain, GIGABYTE + 11 * 512)
        if file.suffix == ".tar":
            plain.rename(file)
            return
        with plain.open("rb") as source, file.open("wb") as packed:
            zstandard.ZstdCompressor(level=1, write_checksum=True).copy_stream(source, packed)

    pack(root / name)
    worsen = lambda file: pack(file, file)  # noqa: E731
    return Hostile(root / name, partial(ingested, root, folder / "patches"), worsen)


def _metadata(folder: Path, worsen: Callable[[Path], object]) -> Hostile:
    """A tree of version 2 with one patch."""
    root = folder / "raw"
    write_patch(root / "BigEarthNet-S2", NAME, 0)
    write_metadata(root, [NAME])
    return Hostile(root / "metadata.parquet", partial(ingested, root, folder / "patches"), worsen)


def _large_group(file: Path) -> None:
    """A row group of 200 MB."""
    names = pyarrow.array([f"{number}" + "x" * 1_000_000 for number in range(200)])
    _write_metadata(file, names, _lists(_one("Pastures", 200), 1))


def _long_names(file: Path) -> None:
    """One name of a million letters, for 4,000 patches: a dictionary holds it once."""
    _write_metadata(file, _one("x" * 1_000_000, 4000), _lists(_one("Pastures", 4000), 1))


def _long_labels(file: Path) -> None:
    _write_metadata(file, _one(NAME, 4000), _lists(_one("x" * 1_000_000, 4000), 1))


def _many_labels(file: Path) -> None:
    """One patch with 20 million labels."""
    count = 20_000_000
    _write_metadata(file, _one(NAME, 1), _lists(_one("Pastures", count), count))


def _enough_labels(file: Path) -> None:
    """As many labels for one patch as a row group may hold."""
    count = 9_900_000
    _write_metadata(file, _one(NAME, 1), _lists(_one("Pastures", count), count))


def _one(text: str, count: int) -> pyarrow.Array:
    """The same text in `count` rows."""
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(count, np.int32)), [text])


def _lists(values: pyarrow.Array, each: int) -> pyarrow.Array:
    return pyarrow.ListArray.from_arrays(np.arange(0, len(values) + 1, each, dtype=np.int32), values)


def _write_metadata(file: Path, names: pyarrow.Array, labels: pyarrow.Array) -> None:
    table = pyarrow.table({"patch_id": names, "labels": labels, "split": _one("train", len(names))})
    pyarrow.parquet.write_table(table, file, dictionary_pagesize_limit=GIGABYTE)


def _checkpoint(folder: Path, name: str, worsen: Callable[[Path], object]) -> Hostile:
    file = folder / name
    weights = {"a": torch.zeros(8, 8)}
    save_file(weights, file) if file.suffix == ".safetensors" else torch.save(weights, file)
    return Hostile(file, partial(read_checkpoint, file), worsen)


def _promise(file: Path) -> None:
    """A tensor of 16 GiB that is not there."""
    tensor = {"dtype": "F32", "shape": [1 << 32], "data_offsets": [0, 1 << 34]}
    header = json.dumps({"a": tensor}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(1000))


def _long_header(file: Path) -> None:
    """A header of 4 GiB, of a hollow file."""
    _hollow(file, 5 * GIGABYTE)
    with file.open("r+b") as opened:
        opened.write(struct.pack("<Q", 4 * GIGABYTE))


def _expanded(file: Path) -> None:
    """One number that counts as 4 billion."""
    torch.save({"a": torch.zeros(1).expand(1 << 32)}, file)


def _predictions(folder: Path, worsen: Callable[[Path], object]) -> Hostile:
    file = folder / "predictions.h5"
    split = Predictions(np.zeros((2, 19), np.float32), np.zeros((2, 19), np.uint8), ["a", "b"])
    predictions.write(file, {"val": split, "test": split}, {})
    return Hostile(file, partial(predictions.read, file), worsen)


def _store(folder: Path, worsen: Callable[[Path], object]) -> Hostile:
    store(folder / "patches", images(2, 8, 8))
    return Hostile(folder / "patches" / INDEX, partial(PatchStore, folder / "patches"), worsen)


def _hdf5(group: str, count: int, compressed: bool = False) -> Callable[[Path], None]:
    """Return what makes the data sets of `group` tables of `count` patches, of which none is there."""

    def worsen(file: Path) -> None:
        with h5py.File(file, "r+") as opened:
            place = opened[group]
            for name, values in [*place.items()]:
                shape, dtype = (count, *values.shape[1:]), values.dtype
                del place[name]
                chunks = {"chunks": (1000, *shape[1:]), "compression": "gzip"} if compressed else {}
                place.create_dataset(name, shape, dtype, **chunks)

    return worsen


def _params(folder: Path, worsen: Callable[[Path], object]) -> Hostile:
    file = folder / "params.yaml"
    file.write_bytes(TEXT)
    return Hostile(file, partial(check, file), worsen)


def _aliases(file: Path) -> None:
    """Lists of lists of lists: a billion values in a few lines."""
    lists = [f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 10)}]" for depth in range(1, 10)]
    file.write_bytes(TEXT + "\n".join(["a0: &a0 [x]", *lists]).encode() + b"\n")


B04 = f"{PATCH}/{NAME}_B04.tif"
LABEL_FILE = f"{PATCH}/{NAME}_labels_metadata.json"
PNG = f"reference/{NAME}.png"
HOSTILE: dict[str, Callable[[Path], Hostile]] = {
    "band: TIFF of 300,000×300,000": lambda folder: _tree(folder, B04, _tiff),
    "band: strip of a gigabyte": lambda folder: _tree(folder, B04, _strip),
    "band: 2 GiB of zeros": lambda folder: _tree(folder, B04, _hollow),
    "label file: 300 MB": lambda folder: _tree(folder, LABEL_FILE, _long_text),
    "list: 8 million names": lambda folder: _tree(folder, "train.csv", _names),
    "list: 60 million blank lines": lambda folder: _tree(folder, "train.csv", _blank),
    "reference: PNG of 60,000×60,000": lambda folder: _tree(folder, PNG, _png),
    "reference: 500 MB of rows": lambda folder: _tree(folder, PNG, _png_rows),
    "archive: a gigabyte in .tar": lambda folder: _archive(folder, "S2.tar"),
    "archive: a gigabyte in .tar.zst": lambda folder: _archive(folder, "S2.tar.zst"),
    "metadata: row group of 200 MB": lambda folder: _metadata(folder, _large_group),
    "metadata: 4,000 long names": lambda folder: _metadata(folder, _long_names),
    "metadata: 4,000 long labels": lambda folder: _metadata(folder, _long_labels),
    "metadata: 20 million labels": lambda folder: _metadata(folder, _many_labels),
    "metadata: 10 million labels": lambda folder: _metadata(folder, _enough_labels),
    "safetensors: promises 16 GiB": lambda folder: _checkpoint(folder, "a.safetensors", _promise),
    "safetensors: header of 4 GiB": lambda folder: _checkpoint(folder, "a.safetensors", _long_header),
    ".pth: one number for 4 billion": lambda folder: _checkpoint(folder, "a.pth", _expanded),
    "predictions: 10 million": lambda folder: _predictions(folder, _hdf5("test", 10_000_000)),
    "predictions: 10^12": lambda folder: _predictions(folder, _hdf5("test", 10**12)),
    "predictions: compressed": lambda folder: _predictions(folder, _hdf5("test", 10_000_000, True)),
    "store: 20 million": lambda folder: _store(folder, _hdf5("/", 20_000_000)),
    "store: 10^12": lambda folder: _store(folder, _hdf5("/", 10**12)),
    "params.yaml: 300 MB": lambda folder: _params(folder, _long_text),
    "params.yaml: aliases": lambda folder: _params(folder, _aliases),
}
"""Each makes a good input in a folder."""


def all_taken(folder: Path) -> Iterator[Taken]:
    for number, what in enumerate(HOSTILE):
        yield taken(what, folder / str(number))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for found in all_taken(Path(sys.argv[1])):
        print(json.dumps(asdict(found)), flush=True)

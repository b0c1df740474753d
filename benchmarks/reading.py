"""Random reads of 480×480×3 uint8 images: PNG files, LMDB, ours, a bare memory map.

With the page cache warm, in a core's own time, and cold (on Linux, where it can be emptied), by the clock, in
images and in bytes of what is stored; the bytes that each stores; and the memory of a process that reads from
ours.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import Row, rates
from srscene.core import writer
from srscene.core.classes import CLASSES
from srscene.core.store import Patch, PatchStore

Images = NDArray[np.uint8]
Read = Callable[[int], object]
Open = Callable[[], Read]
"""Opens what was written; returns what reads an image."""
BASELINE = "PNG files, PIL"


def run(quick: bool) -> list[Row]:
    count, rounds = (48, 3) if quick else (512, 7)
    order = np.random.default_rng(0).permutation(count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        formats = write_formats(textures(count, 480), folder)
        timings = {}
        for cold in (False, True) if sys.platform == "linux" else (False,):
            topic = f"random reads, 480×480×3, cache {'cold' if cold else 'warm'}"
            timings[topic] = timed(formats, order, rounds, cold)
        sizes = {name: _bytes(place) / count / 1000 for name, (place, _) in formats.items()}
        rows = []
        for topic, seconds in timings.items():
            rows += rates(topic, "images", count, seconds, BASELINE) + by_bytes(topic, count, sizes, seconds)
        rows += [
            Row("stored", name, each, "kB/image", each / sizes[BASELINE]) for name, each in sizes.items()
        ]
        return rows + memory(folder / "store", count)


def by_bytes(topic: str, count: int, sizes: dict[str, float], seconds: dict[str, float]) -> list[Row]:
    """Return each format's rate in what it stores, of `count` images of so many kB."""
    found = {name: count * sizes[name] / 1000 / each for name, each in seconds.items()}
    return [
        Row(f"{topic}: of what is stored", name, rate, "MB/s", rate / found[BASELINE])
        for name, rate in found.items()
    ]


def textures(count: int, side: int) -> Images:
    """Return (count, side, side, 3) uint8: enlarged noise, as smooth and as compressible as upscaled land."""
    coarse = np.random.default_rng(1).integers(0, 256, (count, side // 4, side // 4, 3)).astype(np.uint8)
    smooth = [cv2.GaussianBlur(image, (0, 0), 1.5) for image in coarse]
    return np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) for image in smooth])


def write_png(images: Images, folder: Path) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{index:05d}.png" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def write_store(images: Images, folder: Path, per_shard: int = 64) -> PatchStore:
    labels = np.random.default_rng(2).integers(0, 2, (len(images), len(CLASSES))).astype(np.uint8)
    patches = (
        Patch(f"patch_{index:05d}", "train", of, image)
        for index, (of, image) in enumerate(zip(labels, images, strict=True))
    )
    writer.write_store(folder, patches, {}, per_shard)
    return PatchStore(folder)


def write_formats(images: Images, folder: Path) -> dict[str, tuple[Path, Open]]:
    """Write the images in each format; return, by name, where they are and what opens them."""
    png, store, plain = folder / "png", folder / "store", folder / "plain"
    paths = write_png(images, png)
    write_store(images, store)
    plain.mkdir()
    np.save(plain / "images.npy", images)
    return {
        BASELINE: (png, lambda: lambda index: np.asarray(Image.open(paths[index]).convert("RGB"))),
        "PNG files, OpenCV": (png, lambda: lambda index: cv2.imread(str(paths[index]))),
        **_lmdb(images, folder / "lmdb"),
        "srscene": (store, lambda: PatchStore(store).__getitem__),
        "np.memmap": (plain, lambda: _reader(np.load(plain / "images.npy", mmap_mode="r"))),
    }


def _reader(images: Images) -> Read:
    return lambda index: np.array(images[index])


def timed(
    formats: dict[str, tuple[Path, Open]], order: NDArray[np.intp], rounds: int, cold: bool
) -> dict[str, float]:
    """Return each format's median seconds for all images, the formats taking turns."""
    clock = time.perf_counter if cold else time.thread_time
    seconds: dict[str, list[float]] = {name: [] for name in formats}
    for _ in range(rounds):
        for name, (place, opened) in formats.items():
            if cold:
                forget(place)
            read = opened()
            if not cold:
                _all_of(read, order)
            start = clock()
            _all_of(read, order)
            seconds[name].append(clock() - start)
            del read  # what is mapped could not be forgotten
    return {name: statistics.median(times) for name, times in seconds.items()}


def forget(folder: Path) -> None:
    """Have the page cache forget a folder's files, which no process has mapped."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)  # what is not on the disk yet stays
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from srscene.core.store import PatchStore
store = PatchStore(sys.argv[1])
for index in np.random.default_rng(0).integers(0, len(store), int(sys.argv[2])):
    store[int(index)]
print(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0])
"""


def memory(store: Path, count: int) -> list[Row]:
    """Return a process's own memory, without what the page cache lends it, once it has read many images."""
    if sys.platform != "linux":
        return []
    own = {}
    for reads in (count, 8 * count):
        command = [sys.executable, "-c", MEMORY, str(store), str(reads)]
        own[reads] = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout) / 1024
    return [
        Row("reading", f"srscene, own memory after {reads:,} images", each, "MiB", each / own[count])
        for reads, each in own.items()
    ]


def _bytes(folder: Path) -> int:
    """Return how many bytes of the disk a folder's files take."""
    return sum(512 * path.stat().st_blocks for path in folder.iterdir())


def _lmdb(images: Images, folder: Path) -> dict[str, tuple[Path, Open]]:
    """Return the way of ConfigILM and reBEN, a safetensors blob per image; nothing where lmdb is missing."""
    try:
        import lmdb
    except ImportError:
        print("lmdb is not installed: pip install -e .[peers]", flush=True)
        return {}
    from safetensors.numpy import load, save

    size = 2 * images.nbytes + 2**20
    with lmdb.open(str(folder), map_size=size) as environment, environment.begin(write=True) as transaction:
        for index, image in enumerate(images):
            transaction.put(f"{index:05d}".encode(), save({"image": image}))

    def opened() -> Read:
        environment = lmdb.open(str(folder), readonly=True, lock=False)

        def read(index: int) -> Images:
            with environment.begin() as transaction:
                image: Images = load(transaction.get(f"{index:05d}".encode(), b""))["image"]
                return image

        return read

    return {"LMDB + safetensors": (folder, opened)}


def _all_of(read: Read, order: NDArray[np.intp]) -> None:
    for index in order:
        read(int(index))

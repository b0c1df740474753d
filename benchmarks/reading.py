"""Random reads of 480×480×3 uint8 images, the page cache warm: PNG files, LMDB, ours, a bare memory map."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import Row, compare, rates
from srscene.core.labels import CLASSES
from srscene.core.shard_writer import ShardWriter
from srscene.core.store import Patch, PatchStore, shard_path

Images = NDArray[np.uint8]
BASELINE = "PNG files, PIL"


def run(quick: bool) -> list[Row]:
    count, rounds = (48, 3) if quick else (512, 7)
    order = np.random.default_rng(0).permutation(count)
    with tempfile.TemporaryDirectory() as folder:
        readers = make_readers(textures(count, 480), Path(folder))
        cases = {name: _all_of(read, order) for name, read in readers.items()}
        return rates("random reads, 480×480×3", "images", count, compare(cases, rounds), BASELINE)


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
    for number, start in enumerate(range(0, len(images), per_shard)):
        with ShardWriter(shard_path(folder, number)) as shard:
            for index in range(start, min(start + per_shard, len(images))):
                shard.add(Patch(f"patch_{index:05d}", "train", labels[index], images[index]))
    return PatchStore(folder)


def make_readers(images: Images, folder: Path) -> dict[str, Callable[[int], object]]:
    """Write the images in each format and return, by name, what reads one of them into memory."""
    paths = write_png(images, folder / "png")
    store = write_store(images, folder / "store")
    np.save(folder / "images.npy", images)
    plain = np.load(folder / "images.npy", mmap_mode="r")
    readers: dict[str, Callable[[int], object]] = {
        BASELINE: lambda index: np.asarray(Image.open(paths[index]).convert("RGB")),
        "PNG files, OpenCV": lambda index: cv2.imread(str(paths[index])),
        **_lmdb(images, folder / "lmdb"),
        "srscene": lambda index: store[index],
        "np.memmap": lambda index: np.array(plain[index]),
    }
    return readers


def _lmdb(images: Images, folder: Path) -> dict[str, Callable[[int], object]]:
    """Return the way of ConfigILM and reBEN, a safetensors blob per image; nothing where lmdb is missing."""
    try:
        import lmdb
    except ImportError:
        print("lmdb is not installed: pip install -e .[peers]", flush=True)
        return {}
    from safetensors.numpy import load, save

    environment = lmdb.open(str(folder), map_size=2 * images.nbytes + 2**20)
    with environment.begin(write=True) as transaction:
        for index, image in enumerate(images):
            transaction.put(f"{index:05d}".encode(), save({"image": image}))

    def read(index: int) -> Images:
        with environment.begin() as transaction:
            image: Images = load(transaction.get(f"{index:05d}".encode(), b""))["image"]
            return image

    return {"LMDB + safetensors": read}


def _all_of(read: Callable[[int], object], order: NDArray[np.intp]) -> Callable[[], object]:
    def all_of_them() -> None:
        for index in order:
            read(int(index))

    return all_of_them

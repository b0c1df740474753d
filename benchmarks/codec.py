"""Codecs without loss, on the images that a store holds: python -m benchmarks codec [--n 6]

Bytes, and images a second of one core's own time (so that a busy machine changes little), for patches as they
were ingested and as they were upscaled: the synthetic ones and the real ones of bigearthnet-common; bicubic,
Real-ESRGAN x4plus with its official weights, and SRResNet where `dvc repro` has left it in models/upscaler.

hdf5plugin's FciDecomp is left out: it is CharLS too, plane by plane. Its version 7.1.0 makes 0.4 % more bytes
of an image than JPEG-LS here, encodes as fast, and decodes at three quarters of the rate.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import device_name
from srscene.core.store import PatchStore
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.raw.examples import unpack
from srscene.raw.landscape.options import SyntheticOptions
from srscene.raw.landscape.synthesize import sample, to_8_bits
from srscene.runtime.params import parse, validated
from srscene.sr.common import checkpoints
from srscene.sr.common.names import options_of
from srscene.sr.common.upscaler import find
from srscene.sr.realesrgan import package

Image = NDArray[np.uint8]
Images = list[Image]
ROUNDS = 3
CPU = torch.device("cpu")
PARAMS = parse((Path(__file__).parents[1] / "params.yaml").read_bytes())


class Codec(NamedTuple):
    """`decode` fills an image of the right size."""

    encode: Callable[[Image], Any]
    decode: Callable[[Any, Image], object]


def _gradient_encode(image: Image) -> bytes:
    """Differences of colours, then of neighbours to the left and above, then zstd."""
    planes = np.stack([image[..., 0] - image[..., 1], image[..., 1], image[..., 2] - image[..., 1]])
    planes = np.diff(planes, axis=1, prepend=np.uint8(0))
    return bytes(imagecodecs.zstd_encode(np.diff(planes, axis=2, prepend=np.uint8(0)), level=1))


def _gradient_decode(data: bytes, out: Image) -> None:
    planes = np.frombuffer(imagecodecs.zstd_decode(data), np.uint8).reshape(3, *out.shape[:2])
    planes = planes.cumsum(1, np.uint8).cumsum(2, np.uint8)
    out[..., 1] = planes[1]
    np.add(planes[::2].transpose(1, 2, 0), planes[1, ..., None], out=out[..., ::2])


def _blosc_encode(image: Image) -> Any:
    return imagecodecs.blosc2_encode(image, level=5, compressor="zstd", shuffle="shuffle", typesize=3)


def _blosc_decode(data: Any, out: Image) -> None:
    out[:] = np.frombuffer(imagecodecs.blosc2_decode(data), np.uint8).reshape(out.shape)


CODECS = {
    "HTJ2K (JPEG 2000 Part 15), OpenJPH": Codec(
        lambda image: imagecodecs.htj2k_encode(image, reversible=True),
        lambda data, out: imagecodecs.htj2k_decode(data, out=out),
    ),
    "JPEG 2000, OpenJPEG": Codec(
        lambda image: imagecodecs.jpeg2k_encode(image, level=0, reversible=True, numthreads=1),
        lambda data, out: imagecodecs.jpeg2k_decode(data, numthreads=1, out=out),
    ),
    "JPEG XL, effort 1": Codec(
        lambda image: imagecodecs.jpegxl_encode(image, lossless=True, effort=1, numthreads=1),
        lambda data, out: imagecodecs.jpegxl_decode(data, numthreads=1, out=out),
    ),
    "JPEG-LS, CharLS": Codec(
        imagecodecs.jpegls_encode, lambda data, out: imagecodecs.jpegls_decode(data, out=out)
    ),
    "WebP, method 0": Codec(
        lambda image: imagecodecs.webp_encode(image, lossless=True, method=0, level=0),
        lambda data, out: imagecodecs.webp_decode(data, out=out),
    ),
    "WebP, method 1": Codec(
        lambda image: imagecodecs.webp_encode(image, lossless=True, method=1, level=0),
        lambda data, out: imagecodecs.webp_decode(data, out=out),
    ),
    "PNG, level 1": Codec(
        lambda image: imagecodecs.png_encode(image, level=1),
        lambda data, out: imagecodecs.png_decode(data, out=out),
    ),
    "QOI": Codec(imagecodecs.qoi_encode, lambda data, out: imagecodecs.qoi_decode(data, out=out)),
    "gradients in numpy, zstd 1": Codec(_gradient_encode, _gradient_decode),
    "LERC": Codec(
        lambda image: imagecodecs.lerc_encode(image, level=0),
        lambda data, out: imagecodecs.lerc_decode(data, out=out),
    ),
    "Blosc2, shuffle and zstd": Codec(_blosc_encode, _blosc_decode),
}


class Measured(NamedTuple):
    """Of a codec on images of one kind: share of the raw bytes, images encoded and decoded per second."""

    share: float
    encoded: float
    decoded: float


def run(count: int) -> None:
    """Measure on `count` images of each kind; print a table of upscaled patches and one of ingested ones."""
    ingested, upscaled = images(count)
    print(f"\nMeasured on {device_name()}; one core's own time; shares of the raw bytes")
    for title, kinds in (("480×480×3", upscaled), ("120×120×3", ingested)):
        print(f"\n{table(title, kinds, {name: measure(codec, kinds) for name, codec in CODECS.items()})}")


def images(count: int) -> tuple[dict[str, Images], dict[str, Images]]:
    """Return patches as ingested, (120, 120, 3), and upscaled, (480, 480, 3), by kind."""
    land, truth = synthetic_patches(count)
    ingested = {"synthetic": land, "real": real_patches()[:count]}
    upscaled = {"truth": truth}
    for name, enlarge in upscalers():
        for kind, patches in ingested.items():
            upscaled[f"{name}, {kind}"] = [enlarge(patch) for patch in patches]
    return ingested, upscaled


def synthetic_patches(count: int) -> tuple[Images, Images]:
    """Return the data set's first patches as ingested, (120, 120, 3), and their truth, (480, 480, 3)."""
    options = validated(PARAMS["datasets"]["synthetic"], "datasets.synthetic", SyntheticOptions)
    samples = [sample(options, index) for index in range(count)]
    scale = options.reflectance_max
    land = [np.clip(each.image / scale * 255, 0, 255).astype(np.uint8) for each in samples]
    return land, [to_8_bits(each.truth, scale) for each in samples]


def real_patches() -> Images:
    """Return the listed ones of bigearthnet-common's six."""
    options = validated(PARAMS["datasets"]["examples"], "datasets.examples", IngestOptions)
    with TemporaryDirectory() as folder:
        raw, out = Path(folder, "raw"), Path(folder, "patches")
        unpack(raw)
        ingest(raw, out, "examples", options, threads=1)
        return list(PatchStore(out))


def upscalers() -> Iterator[tuple[str, Callable[[Image], Image]]]:
    """Yield a name, and what enlarges a patch four times."""
    yield "bicubic", upscaler("bicubic", Path())
    trained = Path("models/upscaler")
    card = trained / "card.json"
    if card.is_file() and json.loads(card.read_text())["sr"] == "srresnet":
        yield "SRResNet", upscaler("srresnet", trained)
    else:
        print(
            "codec: models/upscaler holds no SRResNet, so it is left out; run `dvc repro` first", flush=True
        )
    with TemporaryDirectory() as folder:
        checkpoints.save(package.read("package")[0], Path(folder))
        yield "Real-ESRGAN", upscaler("realesrgan", Path(folder))


def upscaler(name: str, weights: Path) -> Callable[[Image], Image]:
    found = find(name)
    options = validated(
        PARAMS["upscalers"][name]["upscale"], f"upscalers.{name}.upscale", options_of(name)[1]
    )
    upscale = found.load(options, weights, CPU, found.precision(options, CPU))
    return lambda patch: upscale(torch.from_numpy(patch[None]), [""])[0].numpy()


def measure(codec: Codec, kinds: dict[str, Images]) -> dict[str, Measured]:
    """Return what a codec does with each kind; raises AssertionError where it loses a pixel."""
    return {kind: _measure(codec, images) for kind, images in kinds.items()}


def _measure(codec: Codec, images: Images) -> Measured:
    encoded, encoding = _timed(lambda: [codec.encode(image) for image in images])
    out = np.empty_like(images[0])
    for data, image in zip(encoded, images, strict=True):
        codec.decode(data, out)
        assert np.array_equal(out, image)
    _, decoding = _timed(lambda: [codec.decode(data, out) for data in encoded])
    share = sum(map(len, encoded)) / sum(image.nbytes for image in images)
    return Measured(share, len(images) / encoding, len(images) / decoding)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result, and the least seconds of this thread in ROUNDS rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        result = work()
        seconds.append(time.thread_time() - start)
    return result, min(seconds)


def table(title: str, kinds: dict[str, Images], found: dict[str, dict[str, Measured]]) -> str:
    """Return a Markdown table: shares by kind, and the slowest kind's images per second."""
    head = [title, *kinds, "encoded/s", "decoded/s"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    for name, by_kind in found.items():
        shares = [f"{measured.share:.3f}" for measured in by_kind.values()]
        encoded = min(measured.encoded for measured in by_kind.values())
        decoded = min(measured.decoded for measured in by_kind.values())
        lines.append("| " + " | ".join([name, *shares, f"{encoded:,.0f}", f"{decoded:,.0f}"]) + " |")
    return "\n".join(lines)

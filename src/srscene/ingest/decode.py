"""One raw patch -> 8-bit RGB, labels, and the reference where there is one."""

import struct
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from srscene.core.store import Patch
from srscene.ingest.reflectance import to_rgb
from srscene.ingest.sources import FolderPatch, RawPatch, Rejected
from srscene.ingest.splits import Listed
from srscene.ingest.tiff import SIZE, BadTiff, read_band
from srscene.raw.bigearthnet import encode
from srscene.raw.layout import BAND_FILES, LABEL_FILE, METADATA
from srscene.runtime.console import BadInput
from srscene.runtime.reading import read_bytes

REFERENCE_SIZE = 4 * SIZE
REFERENCE_BYTES = 4 << 20
"""That a reference's file may have."""


class Refused(Exception):
    """Why a patch cannot be taken: the file, what was found, what was expected."""


def decode(raw: RawPatch, listed: Listed, reflectance_max: int, reference: Path | None) -> Patch | Rejected:
    """Return the patch with image (120, 120, 3), or why it cannot be taken.

    `reference` is the folder of `<patch>.png`, (480, 480, 3), if the data set has one.
    """
    try:
        return Patch(
            name=raw.name,
            split=listed.split,
            labels=_read_labels(raw, listed),
            image=to_rgb([_read(raw, file) for file in BAND_FILES], reflectance_max),
            reference=_read_reference(reference / f"{raw.name}.png") if reference else None,
        )
    except Refused as refusal:
        return Rejected(raw.name, str(refusal))


def _read(raw: RawPatch, suffix: str) -> NDArray[np.uint16]:
    try:
        return read_band(_bytes(raw, suffix))
    except BadTiff as error:
        raise Refused(f"{_file(raw, suffix)}: {error}") from None


def _bytes(raw: RawPatch, suffix: str) -> bytes:
    try:
        return raw.read(suffix)
    except FileNotFoundError:
        raise Refused(f"{_file(raw, suffix)}: missing, expected in every patch") from None
    except OSError as error:
        raise Refused(f"{_file(raw, suffix)}: not readable ({error.strerror})") from None
    except BadInput as error:
        root = f"{raw.root}/" if isinstance(raw, FolderPatch) else ""
        raise Refused(str(error).removeprefix(root)) from None


def _file(raw: RawPatch, suffix: str) -> str:
    return f"{raw.place}/{raw.name}_{suffix}"


class _LabelFile(BaseModel):
    labels: tuple[str, ...]


def _read_labels(raw: RawPatch, listed: Listed) -> NDArray[np.uint8]:
    try:
        return _target(_label_names(raw) if listed.labels is None else listed.labels)
    except ValueError as error:
        file = _file(raw, LABEL_FILE) if listed.labels is None else f"{METADATA}: {raw.name}"
        raise Refused(f"{file}: {error}") from None


def _label_names(raw: RawPatch) -> tuple[str, ...]:
    try:
        return _LabelFile.model_validate_json(_bytes(raw, LABEL_FILE)).labels
    except ValidationError:
        raise ValueError('no list of labels in it, expected {"labels": ["…", …], …}') from None


@lru_cache(maxsize=4096)  # the same few thousand combinations come again and again
def _target(names: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return the 19 labels; raises ValueError where there is none among them, or one that nobody knows."""
    if not names:
        raise ValueError("empty label list, expected at least one label")
    try:
        labels = encode(names)
    except KeyError as error:
        raise ValueError(f"unknown label {error}, expected CORINE or 19-class names") from None
    if not labels.any():
        raise ValueError(f"no label among the 19 classes, only {', '.join(names)}")
    return labels


def _read_reference(path: Path) -> NDArray[np.uint8]:
    file = f"{path.parent.name}/{path.name}"
    try:
        data = read_bytes(path, REFERENCE_BYTES)
    except FileNotFoundError:
        raise Refused(f"{file}: missing, expected a reference for every patch or for none") from None
    except OSError as error:
        raise Refused(f"{file}: not readable ({error.strerror})") from None
    except BadInput as error:
        raise Refused(f"{file}{str(error).removeprefix(str(path))}") from None
    expected = f"expected {REFERENCE_SIZE}×{REFERENCE_SIZE}×3 of 8 bits"
    found = _png_header(data)
    if found not in ("", f"{REFERENCE_SIZE}×{REFERENCE_SIZE}×3 of type uint8"):
        raise Refused(f"{file}: {found}, {expected}")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if found else None
    except cv2.error:
        image = None
    if image is None or image.shape != (REFERENCE_SIZE, REFERENCE_SIZE, 3) or image.dtype != np.uint8:
        raise Refused(f"{file}: not a readable PNG, {expected}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _png_header(data: bytes) -> str:
    """Return the shape and type that a PNG says it has, before memory is taken for it; else an empty text."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 33:
        return ""
    width, height, bits, colours = struct.unpack_from(">IIBB", data, 16)
    channels = {0: "1", 2: "3", 3: "a palette", 4: "2", 6: "4"}.get(colours, "?")
    return f"{height}×{width}×{channels} of type uint{bits}"

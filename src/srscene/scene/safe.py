"""A Sentinel-2 L2A product, a .SAFE folder or its zip: where its 10 m bands lie, and its radiometry.

Metadata as in the Sentinel-2 Products Specification Document: BOA_QUANTIFICATION_VALUE, and since its version
14 (baseline 04.00) a BOA_ADD_OFFSET for each band; before, names began with L2A_.
"""

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree import ElementTree

from srscene.raw.layout import BANDS
from srscene.runtime.console import BadInput, brief
from srscene.scene.files import REMEDY, Files, band_files
from srscene.scene.radiometry import UNIT, Radiometry

METADATA = "MTD_MSIL2A.xml"
OTHER_LEVEL = "MTD_MSIL1C.xml"
LARGEST_METADATA = 20_000_000
"""Bytes; real ones have some 60 kB."""
BAND_ID = {"B02": 1, "B03": 2, "B04": 3}
"""What `band_id` stands for: B01 is 0."""
NODATA = 0
"""In every product."""


def metadata_of(files: Files) -> str | None:
    """Return the name of the product's metadata, None where the files are no product.

    Raises BadInput for a product of another level, or for several products.
    """
    found = [name for name in files.names if PurePosixPath(name).name == METADATA]
    if len(found) > 1:
        raise BadInput(f"{files.path}: {len(found)} products, expected one; name one's .SAFE folder")
    if found:
        return found[0]
    if any(PurePosixPath(name).name == OTHER_LEVEL for name in files.names):
        raise BadInput(
            f"{files.path}: a Level-1C product, reflectance at the top of the atmosphere; expected Level-2A, "
            "which Sentinel-2's archives have of the same scene, or which Sen2Cor makes of it"
        )
    return None


def product(
    files: Files, metadata: str, offset: float | None, scale: float | None, reflectance_max: int
) -> tuple[tuple[str, ...], Radiometry]:
    """Return the files of red, green and blue at 10 m, and the radiometry that the metadata tells.

    `offset` and `scale`, where given, override it. Raises BadInput for damaged metadata or missing bands.
    """
    folder = str(PurePosixPath(metadata).parent / "GRANULE").removeprefix("./")
    inside = [name for name in files.names if name.startswith(f"{folder}/") and "/IMG_DATA/" in name]
    bands = band_files(
        Files(files.path, tuple(inside), files.zipped),
        f"{folder}/…/IMG_DATA/R10m/…_B04_10m.jp2, B03 and B02 alike",
    )
    values = _values(files, metadata)
    if scale is None:
        scale = values.get("BOA_QUANTIFICATION_VALUE")
        if not scale or scale <= 0:
            raise BadInput(
                f"{files.shown(metadata)}: no BOA_QUANTIFICATION_VALUE, expected one as in every product; "
                f"{REMEDY}, or give --scale"
            )
    each = [values.get(f"BOA_ADD_OFFSET {BAND_ID[band]}", 0.0) * UNIT / scale for band in BANDS]
    red, green, blue = each if offset is None else [offset] * 3
    return bands, Radiometry(scale, (red, green, blue), reflectance_max)


def _values(files: Files, metadata: str) -> dict[str, float]:
    """Return the quantification value and the offsets, `BOA_ADD_OFFSET <band_id>`."""
    shown, data = files.shown(metadata), files.read(metadata, LARGEST_METADATA)
    if b"<!DOCTYPE" in data:
        raise BadInput(f"{shown}: declares a document type, expected none, as in every product; {REMEDY}")
    try:
        return dict(_numbers(ElementTree.fromstring(data)))
    except (ElementTree.ParseError, ValueError) as error:
        raise BadInput(
            f"{shown}: damaged ({brief(error)}); expected a product's metadata; {REMEDY}"
        ) from None


def _numbers(root: ElementTree.Element) -> Iterator[tuple[str, float]]:
    for element in root.iter():
        name = element.tag.rpartition("}")[2].removeprefix("L2A_")
        if name == "BOA_QUANTIFICATION_VALUE":
            yield name, _finite(element.text)
        elif name == "BOA_ADD_OFFSET":
            yield f"{name} {int(element.get('band_id', ''))}", _finite(element.text)


def _finite(text: str | None) -> float:
    value = float(text or "")
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    return value

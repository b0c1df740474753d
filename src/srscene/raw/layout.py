"""How BigEarthNet names its folders, files, bands and lists: what is read here, and what is written alike.

A patch is a folder of files `<patch>_<what>`, its twelve bands as GeoTIFFs. Version 1 lies flat and has a
label file in each patch; version 2 has a folder per tile, and its labels in `metadata.parquet`. Radar
(`<patch>_VV.tif`) and reference maps (`<patch>_reference_map.tif`) lie in folders of the same form.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from srscene.core.store import SPLITS, Split

BANDS = ("B04", "B03", "B02")
"""Sentinel-2's red, green and blue, at 10 m: the order of an image's last axis."""
BAND_FILES = tuple(f"{band}.tif" for band in BANDS)
LABEL_FILE = "labels_metadata.json"

V1_FOLDER = "BigEarthNet-v1.0"
REFERENCE_FOLDER = "reference"
"""Holds `<patch>.png`, the true image at 2.5 m; no part of BigEarthNet."""

METADATA = "metadata.parquet"
METADATA_SPLITS: dict[str, Split] = {"train": "train", "validation": "val", "val": "val", "test": "test"}
"""What METADATA calls a split."""
LISTS: dict[Split, str] = {split: f"{split}.csv" for split in SPLITS}
"""A patch name a line, without a header."""
TORCHGEO_LISTS: dict[Split, str] = {split: f"bigearthnet-{split}.csv" for split in SPLITS}
"""Two columns, without a header: the patch of Sentinel-2, and Sentinel-1's of the same place."""

_S2_BAND = re.compile(r"(.*_)?B(0[1-9]|8A|1[0-2])\.tif")


def of_sentinel2(files: Iterable[str]) -> bool:
    """Tell whether files, of a patch or of several alike, are Sentinel-2's: a band, or no image at all.

    Looks no further than the first band.
    """
    images = 0
    for file in files:
        if _S2_BAND.fullmatch(file):
            return True
        images += file.endswith(".tif")
    return not images


def write_lists(folder: Path, splits: Mapping[Split, Sequence[str]]) -> None:
    """Write the split lists of the data set in `folder`."""
    for split, names in splits.items():
        (folder / LISTS[split]).write_text("".join(f"{name}\n" for name in names))

"""Small real BigEarthNet data sets for the tests: GeoTIFFs by rasterio, in the layouts of both versions."""

import gzip
import json
import tarfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import rasterio
import zstandard
from numpy.typing import NDArray
from rasterio import Affine

BANDS = ("B04", "B03", "B02")
REAL = Path(
    str(distribution("bigearthnet-common").locate_file("bigearthnet_common/BigEarthNet-S2-Example.tar.bz2"))
)
NAMES = [f"S2A_MSIL2A_20170613T{time}_{row}_{time % 90}" for row in (1, 10, 2) for time in (101031, 94161)]
LISTS = {"train": NAMES[:3], "val": NAMES[3:4], "test": NAMES[4:]}
LABELS = ["Non-irrigated arable land", "Water bodies", "Road and rail networks and associated land"]
TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
V2_NAMES = [f"{TILE}_{row:02}_{column:02}" for row in (7, 26) for column in (1, 57)]
S1_TILE = "S1A_IW_GRDH_1SDV_20170613T165043"
S1_NAMES = [f"{S1_TILE}_33UUP_{row}_{column}" for row in (7, 26) for column in (1, 57)]


def pixels(seed: int, shape: tuple[int, ...] = (120, 120), dtype: str = "uint16") -> NDArray:
    """Random reflectances, some above every usual maximum; negative ones too where the type allows."""
    low = -500 if np.dtype(dtype).kind == "i" else 0
    return np.random.default_rng(seed).integers(low, 4000, shape).astype(dtype)


def write_band(path: Path, band: NDArray, **profile: object) -> None:
    """Write a GeoTIFF, by default laid out like the official ones."""
    count, height, width = band.reshape((-1, *band.shape[-2:])).shape
    settings = {
        "driver": "GTiff", "count": count, "height": height, "width": width, "dtype": band.dtype,
        "crs": "EPSG:32633", "transform": Affine(10, 0, 404400, 0, -10, 5342400), **profile,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **settings) as file:
        file.write(band.reshape(count, height, width))


def write_patch(folder: Path, name: str, seed: int, labels: list[str] | None = None) -> None:
    """Write a patch's three bands, and its labels where given."""
    for number, band in enumerate(BANDS):
        write_band(folder / name / f"{name}_{band}.tif", pixels(10 * seed + number))
    if labels is not None:
        (folder / name / f"{name}_labels_metadata.json").write_text(json.dumps({"labels": labels}))


def rgb(seed: int, reflectance_max: int = 2000) -> NDArray[np.uint8]:
    """What ingestion must make of `write_patch`'s bands."""
    bands = np.stack([pixels(10 * seed + number) for number in range(3)], -1)
    return np.clip(bands / reflectance_max * 255, 0, 255).astype(np.uint8)


def write_v1(root: Path) -> Path:
    """Write NAMES as version 1 with split lists; return the folder of the patches."""
    folder = root / "BigEarthNet-v1.0"
    for seed, name in enumerate(NAMES):
        write_patch(folder, name, seed, LABELS)
    write_lists(root, LISTS)
    return folder


def write_lists(root: Path, lists: dict[str, list[str]]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for split, names in lists.items():
        (root / f"{split}.csv").write_text("".join(f"{name}\n" for name in names))


def write_v2(root: Path) -> Path:
    """Write V2_NAMES as version 2 with metadata.parquet; return the folder of the tiles."""
    folder = root / "BigEarthNet-S2"
    for seed, name in enumerate(V2_NAMES):
        write_patch(folder / TILE, name, seed)
    write_metadata(root, V2_NAMES)
    return folder


def write_reference_maps(root: Path) -> Path:
    """Write the land-cover maps that come with version 2; return their folder."""
    folder = root / "Reference_Maps"
    for name in V2_NAMES:
        write_band(folder / TILE / name / f"{name}_reference_map.tif", pixels(0))
    return folder


def write_s1(root: Path, version: int) -> Path:
    """Write the radar patches of the same places; return their folder. Version 1 has labels there, too."""
    folder = root / ("BigEarthNet-S1-v1.0" if version == 1 else "BigEarthNet-S1")
    for name in S1_NAMES:
        patch = (folder if version == 1 else folder / S1_TILE) / name
        for polarisation in ("VV", "VH"):
            write_band(patch / f"{name}_{polarisation}.tif", pixels(0, dtype="float32"))
        if version == 1:
            (patch / f"{name}_labels_metadata.json").write_text(json.dumps({"labels": LABELS}))
    return folder


def write_torchgeo_lists(root: Path, lists: dict[str, list[str]]) -> None:
    """Write split lists as TorchGeo downloads them, which name the radar patch too."""
    for split, names in lists.items():
        (root / f"bigearthnet-{split}.csv").write_text("".join(f"{name},{S1_NAMES[0]}\n" for name in names))


def write_metadata(root: Path, names: list[str], **columns: list) -> None:
    size = len(names)
    table = {
        "patch_id": names,
        "labels": [["Arable land", "Inland waters"]] * size,
        "split": (["train", "validation", "test", "train"] * size)[:size],
        "country": ["Austria"] * size,
    } | columns
    root.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(table), root / "metadata.parquet")


def pack(folder: Path, archive: Path) -> Path:
    """Pack a tree, sorted, as the official archives are packed: .tar.gz or .tar.zst."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    plain = archive.with_name("plain")
    with tarfile.open(plain, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(folder, folder.name)  # sorts each folder by name
    data = plain.read_bytes()
    plain.unlink()
    archive.write_bytes(gzip.compress(data) if archive.suffix == ".gz" else zstandard.compress(data))
    return archive

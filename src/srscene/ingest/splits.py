"""Which patches belong to which split: only a patch that a list names is taken.

Version 2 of BigEarthNet says it in `metadata.parquet`, which holds the labels too. For version 1 there are
lists: your own beside the patches, else those that TorchGeo put there, else the official ones of the
bigearthnet-common package. The last leave out snow, clouds, their shadows, and patches with no label among
the 19 classes: 519,284 of 590,326 remain, the number of the paper.
"""

import bz2
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.parquet

from srscene.core.console import BadInput, brief
from srscene.core.store import Split
from srscene.raw.layout import LISTS, METADATA, METADATA_SPLITS, TORCHGEO_LISTS

OFFICIAL_MD5: dict[Split, str] = {
    "train": "414fe489db59cbf66fa44a659f4409ef",
    "val": "7ec8f17a5f9c2b003a9fc6f74a9fbe17",
    "test": "b3ab2c2434d88cf03ab77ed17f1d08e0",
}
"""Of the decompressed lists in bigearthnet-common 2.8.0."""


class Listed(NamedTuple):
    """What a list says of a patch; `labels` are class names, None where each patch has a label file."""

    split: Split
    labels: tuple[str, ...] | None = None


class Splits(NamedTuple):
    """The lists by patch name, patches listed more than once apart, and what the lists are called."""

    listed: dict[str, Listed]
    twice: set[str]
    source: str


def read_splits(root: Path) -> Splits:
    """Read the lists that lie in `root`, else the official ones of version 1.

    Raises BadInput when a list is missing, damaged, or not in the expected form.
    """
    if (root / METADATA).exists():
        return _collect(_from_metadata(root / METADATA), METADATA)
    own = _read_lists(root, LISTS)
    for split, text in own.items():
        if "," in text:
            raise BadInput(
                f"{root / LISTS[split]}: has several columns, expected one patch name per line; keep that "
                f"column, or, if the columns are TorchGeo's, call the file {TORCHGEO_LISTS[split]}"
            )
    if own:
        return _collect(_from_lists(own), ", ".join(LISTS.values()))
    if torchgeo := _read_lists(root, TORCHGEO_LISTS):
        return _collect(_from_lists(torchgeo), ", ".join(TORCHGEO_LISTS.values()))
    return _collect(_from_lists(_official_lists()), "the official lists of version 1")


def _collect(entries: Iterable[tuple[str, Listed]], source: str) -> Splits:
    listed: dict[str, Listed] = {}
    twice = set()
    for name, entry in entries:
        if name in listed:
            twice.add(name)
        listed[name] = entry
    return Splits(listed, twice, source)


def _read_lists(root: Path, files: Mapping[Split, str]) -> dict[Split, str]:
    """Return the text of the three lists; nothing where there is none of them."""
    there = [file for file in files.values() if (root / file).exists()]
    missing = [file for file in files.values() if file not in there]
    if there and missing:
        raise BadInput(
            f"{root / missing[0]}: not there, but {there[0]} is; expected {', '.join(files.values())}, or "
            "none of them; add it (an empty file leaves a split empty)"
        )
    return {split: _read_text(root / file) for split, file in files.items()} if there else {}


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")  # spreadsheets put a byte order mark before the first name
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path}: not readable as text ({brief(error)}), expected patch names; mend it"
        ) from None


def _from_lists(texts: dict[Split, str]) -> Iterator[tuple[str, Listed]]:
    """Yield the first column."""
    for split, text in texts.items():
        entry = Listed(split)
        for line in text.splitlines():
            if name := line.partition(",")[0].strip():
                yield name, entry


def _official_lists() -> dict[Split, str]:
    package = distribution("bigearthnet-common")  # its modules do not import today; its files are all we need
    texts: dict[Split, str] = {}
    for split, md5 in OFFICIAL_MD5.items():
        file = Path(str(package.locate_file(f"bigearthnet_common/{LISTS[split]}.bz2")))
        data = bz2.decompress(file.read_bytes())
        if hashlib.md5(data).hexdigest() != md5:
            raise BadInput(f"{file.name} of bigearthnet-common: differs from 2.8.0's; reinstall the package")
        texts[split] = data.decode()
    return texts


def _from_metadata(path: Path) -> Iterator[tuple[str, Listed]]:
    columns = ["patch_id", "labels", "split"]
    entries: dict[Listed, Listed] = {}  # few label sets, many patches: share them
    try:
        table = pyarrow.parquet.ParquetFile(path)
        for batch in table.iter_batches(columns=columns):
            for name, labels, split in zip(
                *(batch.column(column).to_pylist() for column in columns), strict=True
            ):
                entry = Listed(METADATA_SPLITS[split], tuple(labels or ()))
                yield name, entries.setdefault(entry, entry)
    except KeyError as error:
        known = ", ".join(METADATA_SPLITS)
        raise BadInput(
            f"{path}: {error} in column patch_id, labels or split; expected a split of {known}"
        ) from None
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(
            f"{path}: not readable as version 2's metadata ({brief(error)}); download it again"
        ) from None

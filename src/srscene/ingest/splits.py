"""Which patches belong to which split: only a patch that a list names is taken.

Version 2 of BigEarthNet says it in `metadata.parquet`, which holds the labels too. For version 1 there are
lists: your own beside the patches, else those that TorchGeo put there, else the official ones of the
bigearthnet-common package. The last leave out snow, clouds, their shadows, and patches with no label among
the 19 classes: 519,284 of 590,326 remain, the number of the paper.
"""

import bz2
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute
import pyarrow.parquet

from srscene.core.store import Split
from srscene.raw.layout import LISTS, METADATA, METADATA_SPLITS, TORCHGEO_LISTS
from srscene.runtime.console import BadInput, say
from srscene.runtime.files import size
from srscene.runtime.reading import read_bytes, read_text, reading

OFFICIAL_MD5: dict[Split, str] = {
    "train": "414fe489db59cbf66fa44a659f4409ef",
    "val": "7ec8f17a5f9c2b003a9fc6f74a9fbe17",
    "test": "b3ab2c2434d88cf03ab77ed17f1d08e0",
}
"""Of the decompressed lists in bigearthnet-common 2.8.0."""

METADATA_MD5 = "55687065e77b6d0b0f1ff604a6e7b49c"
"""Of the published metadata.parquet."""
METADATA_BYTES, GROUP_BYTES = 256 << 20, 64 << 20
"""That it, and a row group's columns in memory, may have."""
LIST_BYTES = 64 << 20
"""That a list may have."""
MOST_PATCHES = 1_000_000
"""That lists may name: BigEarthNet has 590,326."""
LONGEST_NAME = 200
"""Letters of a patch's name, which the store holds at a fixed length."""
LONGEST_TEXT, MOST_VALUES = 1000, 100
"""Letters of any text in the metadata, and a row's labels on average."""
_COLUMNS = ["patch_id", "labels", "split"]
_ROWS = 4096
"""That are made Python objects at a time."""


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
        if not name.isascii() or not name.isprintable() or "/" in name or not 0 < len(name) <= LONGEST_NAME:
            raise BadInput(
                f"{source}: {name!r:.80} is no patch's name, expected at most {LONGEST_NAME} ASCII letters; "
                "mend it"
            )
        if name in listed:
            twice.add(name)
        elif len(listed) == MOST_PATCHES:
            raise BadInput(f"{source}: names more than {MOST_PATCHES:,} patches, expected fewer; mend it")
        listed[name] = entry
    if not listed:
        raise BadInput(f"{source}: names no patch, expected at least one; mend it")
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
    return read_text(path, LIST_BYTES, "patch names, a line each", "mend it")


def _from_lists(texts: dict[Split, str]) -> Iterator[tuple[str, Listed]]:
    """Yield the first column."""
    for split, text in texts.items():
        entry = Listed(split)
        for line in re.finditer(r"[^\r\n]+", text):
            if name := line[0].partition(",")[0].strip():
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
    entries: dict[Listed, Listed] = {}  # few label sets, many patches: share them
    with reading(path, "version 2's metadata", "download it again"):
        _say_whether_published(path)
        texts = _check_groups(path, pyarrow.parquet.read_metadata(path))
        # what stands there once, for many rows, is held once: else a small file could take gigabytes
        table = pyarrow.parquet.ParquetFile(path, read_dictionary=texts)
        for batch in table.iter_batches(columns=_COLUMNS, batch_size=_ROWS, use_threads=False):
            columns = [batch.column(column) for column in _COLUMNS]
            for what, column in zip(_COLUMNS, columns, strict=True):
                _check_values(path, what, column)
            for name, labels, split in zip(*(column.to_pylist() for column in columns), strict=True):
                entry = _metadata_entry(path, name, labels, split)
                yield name, entries.setdefault(entry, entry)


def _check_groups(path: Path, metadata: pyarrow.parquet.FileMetaData) -> list[str]:
    """Raise BadInput where a row group would take too much memory; return the columns that are text."""
    texts = set()
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(index) for index in range(group.num_columns)]
        columns = [column for column in columns if column.path_in_schema.split(".")[0] in _COLUMNS]
        texts |= {column.path_in_schema for column in columns if column.physical_type == "BYTE_ARRAY"}
        values, total = 0, 0
        for column in columns:
            values, total = values + column.num_values, total + column.total_uncompressed_size
        if total > GROUP_BYTES or values > 10 * MOST_PATCHES:
            raise BadInput(
                f"{path}: a row group of {size(total)} and {values:,} values, expected at most "
                f"{size(GROUP_BYTES)} and {10 * MOST_PATCHES:,}; download it again"
            )
    return sorted(texts)


def _check_values(path: Path, what: str, column: pyarrow.Array) -> None:
    """Raise BadInput where a column's rows would take much memory as Python objects."""
    while pyarrow.types.is_list(column.type) or pyarrow.types.is_large_list(column.type):
        column = column.flatten()
    count = len(column)
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary
    longest = 0
    if pyarrow.types.is_string(column.type) or pyarrow.types.is_binary(column.type):
        longest = pyarrow.compute.max(pyarrow.compute.binary_length(column)).as_py() or 0
    if pyarrow.types.is_nested(column.type) or count > MOST_VALUES * _ROWS or longest > LONGEST_TEXT:
        raise BadInput(
            f"{path}: column {what} has {count:,} values of type {column.type} with up to {longest:,} "
            "letters, expected names and labels; mend it"
        )


def _metadata_entry(path: Path, name: object, labels: object, split: object) -> Listed:
    if not isinstance(name, str):
        raise BadInput(f"{path}: {name!r} in column patch_id, expected names of patches; mend it")
    if not isinstance(split, str) or split not in METADATA_SPLITS:
        known = ", ".join(METADATA_SPLITS)
        raise BadInput(f"{path}: {split!r} in column split, of {name}; expected one of {known}")
    labels = [] if labels is None else labels
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BadInput(f"{path}: {labels!r:.60} in column labels, of {name}; expected a list of class names")
    return Listed(METADATA_SPLITS[split], tuple(labels))


def _say_whether_published(path: Path) -> None:
    """Say whether the metadata are the published ones: nothing in them tells that they are undamaged."""
    if not path.is_file():
        read_bytes(path, METADATA_BYTES)  # raises: a pipe would never end
    if (found := path.stat().st_size) > METADATA_BYTES:
        raise BadInput(f"{path}: {size(found)}, expected at most {size(METADATA_BYTES)}; download it again")
    with path.open("rb") as file:
        published = hashlib.file_digest(file, "md5").hexdigest() == METADATA_MD5
    what = (
        "the published one" if published else "not the published one, and has no checksum: it is taken as is"
    )
    say(f"ingest: {path.name} is {what}")

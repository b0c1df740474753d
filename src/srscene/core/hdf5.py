"""How HDF5 files are written and read: only what is plain and no larger than its file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from srscene.runtime.files import size
from srscene.runtime.reading import what_it_is

MARGIN = 1 << 16
"""Bytes that HDF5 itself takes in a file, and more."""


def create(path: Path) -> h5py.File:
    """Open a new HDF5 file, whose bytes depend on what is written alone."""
    return h5py.File(path, "w", libver=("v110", "v110"), track_order=False)


def open_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file to read it; raises ValueError for what is plainly none (a pipe would block)."""
    if found := what_it_is(path):
        raise ValueError(found)
    return h5py.File(path, "r")


def read_array(values: h5py.Dataset) -> NDArray[Any]:
    """Return a data set; raises ValueError for one that is larger than its file: ours are not compressed."""
    there = Path(values.file.filename).stat().st_size
    if values.nbytes > there:
        raise ValueError(f"{values.name} claims {size(values.nbytes)}, but the file has {size(there)}")
    return np.asarray(values[:])


def decoded(names: NDArray[Any]) -> list[str]:
    """Return fixed-length ASCII names as text; raises ValueError for anything else."""
    if names.dtype.kind != "S":
        raise ValueError(f"names of type {names.dtype}")
    return [name.decode("ascii") for name in names.tolist()]


def write_texts(file: h5py.File, texts: Mapping[str, str]) -> None:
    """Write ASCII texts as attributes of fixed length, which lie in the file as they are."""
    for name, text in texts.items():
        file.attrs[name] = np.bytes_(text.encode("ascii"))


def read_text(file: h5py.File, name: str) -> str:
    """Return an attribute that `write_texts` wrote.

    Raises ValueError for a text of variable length: HDF5 would loop for ever at a damaged heap.
    """
    kind = file.attrs.get_id(name).get_type()
    if not isinstance(kind, h5py.h5t.TypeStringID) or kind.is_variable_str():
        raise ValueError(f"attribute {name!r} is no text of fixed length")
    return bytes(file.attrs[name]).decode("ascii")

"""A data set's folder that is there whole or not at all, and its split lists."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; it takes that name, replacing what was there, on success."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_split_lists(folder: Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Write `<split>.csv` as BigEarthNet's official lists are: one column of patch names, no header."""
    for split, names in splits.items():
        (folder / f"{split}.csv").write_text("".join(f"{name}\n" for name in names))

"""Files and folders that are there whole or not at all, and a disk that is too small for them."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

from srscene.runtime.console import BadInput

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL_IN_WORDS = tuple(os.strerror(number) for number in FULL)
"""What libraries that don't raise OSError put into their message."""
LAST_BYTES = 1 << 16
"""With less than this left on the disk, that is why nothing could be written: some libraries don't tell."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; the file written there replaces `path` if all went well.

    Raises BadInput where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with writing(temporary):
            yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which replaces `path` and all in it if all went well.

    Raises BadInput where the disk is full.
    """
    temporary = path.with_name(path.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with writing(temporary):
            yield temporary
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what any library raises when the disk of `path` is full into BadInput; else raise it as it is."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        if not is_full(error) and shutil.disk_usage(_existing(path)).free > LAST_BYTES:
            raise
        written = f", {size(path.stat().st_size)} of it were written" if path.is_file() else ""
        raise BadInput(
            f"{path}: the disk is full ({_room(path)}){written}; free some space and run the same command: "
            "what was finished before is kept"
        ) from None


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error, or one that it came of, means that there was no room to write."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if any(words in str(error) for words in FULL_IN_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def need(path: Path, count: int, what: str) -> None:
    """Raise BadInput where the disk of `path` has no room for `count` more bytes, which `what` will write."""
    if count > shutil.disk_usage(_existing(path)).free:
        raise BadInput(
            f"{path}: {what} needs {size(count)} on this disk ({_room(path)}); free some space and run the "
            "same command: what was finished before is kept"
        )


def reserve(path: Path, count: int) -> None:
    """Make the file `path`, with room for `count` bytes; raises OSError where there is none.

    For HDF5, which crashes where its disk fills up: it is only let at a file that fits.
    """
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, count))


def size(count: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.4g} TB"


def _room(path: Path) -> str:
    place = _existing(path)
    usage = shutil.disk_usage(place)
    disk = place.resolve()
    while not disk.is_mount():
        disk = disk.parent
    return f"{disk}: {size(usage.free)} of {size(usage.total)} free"


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def sha256(path: Path) -> str:
    """Return the 64 hex digits of a file's SHA-256."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()

"""The boundary where files from outside come in: what they are, how large they may be, what a reader raises.

Nothing is allocated for a file before its size is known to be one that its kind can have, and whatever a
reader raises for a damaged one becomes one line with the file's name.
"""

import os
import stat
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srscene.runtime.console import BadInput, brief
from srscene.runtime.files import size

LOOK = 512
"""Bytes that tell what a file is."""
SIGNS = (
    (
        b"version https://git-lfs",
        "a git-lfs pointer, not the file itself: run `git lfs pull` where it is from",
    ),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"%PDF", "a PDF"),
)


MISTAKES = (AssertionError, AttributeError, ImportError, NameError, NotImplementedError)
"""That libraries raise for damaged files too, so that it matters whose line raised it."""
PACKAGE = Path(__file__).parents[1]


@contextmanager
def reading(file: Path | str, expected: str, remedy: str) -> Iterator[None]:
    """Turn what a reader of `file` raises into BadInput: the file, what it is, what was expected, what to do.

    A full memory and too deep a nesting count as damage; a mistake in our own code stays what it is.
    `expected` is «a checkpoint», `remedy` «…, so get it again».
    """
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        if isinstance(error, MISTAKES) and _raised_in(PACKAGE, error):
            raise
        found = what_it_is(Path(file)) or f"damaged ({brief(error) or type(error).__name__})"
        raise BadInput(f"{file}: {found}; expected {expected}; {remedy}") from None


def _raised_in(folder: Path, error: BaseException) -> bool:
    """Tell whether the line that raised an error is in a file under `folder`."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return Path(frames[-1].f_code.co_filename).is_relative_to(folder)


def what_it_is(path: Path) -> str:
    """Return what `path` is, in words, where it is plainly something else than data; else an empty text."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return _no_file(mode)
        with path.open("rb") as file:
            start = file.read(LOOK)
    except FileNotFoundError:
        return "not there"
    except OSError as error:
        return f"not to be opened ({error.strerror})"
    return named(start)


def named(start: bytes) -> str:
    """Return what a file that begins with these bytes is, in words; an empty text where they tell nothing."""
    if not start:
        return "an empty file"
    if not start.strip(b"\0"):
        return "nothing but zeros"
    start = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((words for sign, words in SIGNS if start[: len(sign)].lower() == sign.lower()), "")


def read_bytes(path: Path | str, at_most: int) -> bytes:
    """Return a small file's bytes; raises OSError where it can't be opened, BadInput where it is no ordinary
    file or has more than `at_most` bytes.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO without a writer would block
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise BadInput(f"{path}: {_no_file(found.st_mode)}, expected a file; put the file there")
        if found.st_size > at_most:
            raise BadInput(f"{path}: {size(found.st_size)}, expected at most {size(at_most)}; get it again")
        return os.read(handle, found.st_size)
    finally:
        os.close(handle)


def read_text(path: Path, at_most: int, expected: str, remedy: str) -> str:
    """Return a small UTF-8 file's text, without a byte order mark; raises BadInput for anything else."""
    with reading(path, expected, remedy):
        return read_bytes(path, at_most).decode("utf-8-sig")


def _no_file(mode: int) -> str:
    kinds = {
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a named pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    return next((words for test, words in kinds.items() if test(mode)), "no ordinary file")

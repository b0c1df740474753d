"""What a stage says to the person who runs it: one line for bad input, a bar for long work."""

import signal
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


LONGEST = 1500
"""Characters of a message."""


class BadInput(Exception):
    """The user can mend this. One line: the file, what was found, what was expected, what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message, LONGEST))


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; bad input, a full memory or Ctrl-C ends it with one line, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 is no reason to fail
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see stages/__init__.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    except BadInput as error:
        sys.exit(f"error: {error}")
    except MemoryError:
        sys.exit("error: the machine's memory is full; close other programs, or take a machine with more")
    except KeyboardInterrupt:
        say("stopped; the same command goes on from the shards, epochs and downloads that are there")
        sys.exit(130)


def brief(error: object, limit: int = 160) -> str:
    """Return a library's error in one line of at most `limit` printable characters."""
    return printable(" ".join(str(error).split()), limit)


def printable(text: str, limit: int = LONGEST) -> str:
    """Return `text` as one line of at most `limit` characters that do nothing to a terminal."""
    text = " ".join(text.splitlines())
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def say(message: str) -> None:
    """Print one line at once, also where standard output is a pipe."""
    print(printable(message), flush=True)


def progress(items: Iterable[T], what: str, unit: str, total: int | None = None, done: int = 0) -> "tqdm[T]":
    """Iterate with a bar that shows rate and ETA; `done` items were finished by an earlier run.

    A pipe or log gets one line every 10 s instead of a redrawn bar.
    """
    live = sys.stderr.isatty()
    return tqdm(
        items, desc=what, unit=unit, total=total, initial=done, file=sys.stderr,
        mininterval=0.1 if live else 10, maxinterval=10, dynamic_ncols=live, smoothing=0.1,
    )  # fmt: skip

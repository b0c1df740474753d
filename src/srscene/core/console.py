"""What a stage says to the person who runs it: one line for bad input, a bar for long work.

Nothing is computed here, so no stage depends on this file: `.dvcignore` hides it from DVC.
"""

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


class BadInput(Exception):
    """The user can mend this. One line: the file, what was found, what was expected, what to do."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; bad input or Ctrl-C ends it with one line, without a traceback."""
    try:
        main()
    except BadInput as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        say("stopped; the same command goes on from the shards, epochs and downloads that are there")
        sys.exit(130)


def brief(error: object, limit: int = 160) -> str:
    """Return a library's error in one line of at most `limit` printable characters."""
    text = " ".join(str(error).split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def say(message: str) -> None:
    """Print one line at once, also where standard output is a pipe."""
    print(message, flush=True)


def progress(items: Iterable[T], what: str, unit: str, total: int | None = None, done: int = 0) -> "tqdm[T]":
    """Iterate with a bar that shows rate and ETA; `done` items were finished by an earlier run.

    A pipe or log gets one line every 10 s instead of a redrawn bar.
    """
    live = sys.stderr.isatty()
    return tqdm(
        items, desc=what, unit=unit, total=total, initial=done, file=sys.stderr,
        mininterval=0.1 if live else 10, maxinterval=10, dynamic_ncols=live, smoothing=0.1,
    )  # fmt: skip

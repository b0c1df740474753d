"""What becomes of one damaged input: it is taken rightly, refused by name, or something has to be mended."""

import io
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from enum import StrEnum
from types import FrameType
from typing import Any, NamedTuple

from srscene.runtime.console import LONGEST, BadInput


class Verdict(StrEnum):
    RIGHT = "right"
    """The result of the undamaged input, to the byte."""
    REJECTED = "rejected by name"
    """One printable line of bounded length that names the file."""
    UNDETECTABLE = "undetectable"
    """Another result, where no checksum covers the damaged bytes."""
    TRACEBACK = "traceback"
    """Any other error, a message that names nothing, or no end at all."""
    SILENT = "silent"
    """Another result as if all were well, though the damage could have been seen."""


SECONDS = 10.0
"""That an attempt may take, a hundred times what it takes."""
WRONG = (Verdict.TRACEBACK, Verdict.SILENT)


class TooLong(BaseException):
    """No Exception, since those are taken for damage where files are read."""


class Attempt(NamedTuple):
    """One damaged input; it lies ready while its generator waits."""

    mutation: str
    """What was done, in words, with its seed: enough to do it again."""
    run: Callable[[], object]
    """The real function on the damaged input; returns what can be compared with `expected`."""
    expected: object
    """What `run` returns for the undamaged input."""
    names: tuple[str, ...]
    """A message must hold one of these."""
    unchecked: bool = False
    """No checksum covers the damaged bytes, and the damage does not have to show."""


@dataclass
class Tally:
    """The verdicts on one target, and what is wrong, in words."""

    target: str
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, attempt: Attempt) -> None:
        verdict, why = judge(attempt)
        self.verdicts[verdict] += 1
        if verdict in WRONG:
            self.wrong.append(f"{self.target}: {attempt.mutation}: {verdict}: {why}")


def judge(attempt: Attempt) -> tuple[Verdict, str]:
    """Run an attempt, quietly; return the verdict, and what was raised or seen."""
    try:
        with _at_most(SECONDS):
            result = quietly(attempt.run)
    except BadInput as error:
        message = str(error)
        if _says_it(message, attempt.names):
            return Verdict.REJECTED, message
        return Verdict.TRACEBACK, f"names none of {attempt.names}: {message!r}"
    except (Exception, TooLong):
        return Verdict.TRACEBACK, " | ".join(traceback.format_exc().splitlines()[-7:])
    if result == attempt.expected:
        return Verdict.RIGHT, ""
    if attempt.unchecked:
        return Verdict.UNDETECTABLE, ""
    return Verdict.SILENT, "another result, and no error"


def quietly(run: Callable[[], Any]) -> Any:
    """Return what `run` returns; what it prints goes nowhere."""
    nowhere = io.StringIO()
    with redirect_stdout(nowhere), redirect_stderr(nowhere):
        return run()


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TooLong in this thread, the main one, after so many seconds; another alarm waits as long."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong(f"no end after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)


def _says_it(message: str, names: tuple[str, ...]) -> bool:
    return len(message) <= LONGEST and message.isprintable() and any(name in message for name in names)

"""The work that killed and finished stages left in `.scratch`: what it is, how large, and away with it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from srscene.runtime.console import BadInput, say
from srscene.runtime.files import size
from srscene.runtime.parts import FINISHED, folders, lock_of, locked, remove

IN_USE = "in use"
DONE = "finished, goes when the next stage begins"
UNFINISHED = "unfinished, the same command goes on with it"
MUCH = 10_000_000_000
"""Bytes of unfinished work that are worth a line."""


class Leftover(NamedTuple):
    """One work folder `<stage>/<key>`; `changed` is its newest change, in seconds since 1970."""

    folder: Path
    bytes: int
    changed: float
    state: str

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name} {self.folder.name}"


def leftovers() -> list[Leftover]:
    """Return all work in scratch, by stage and key."""
    found = []
    for folder in folders():
        stats = []
        for path in (folder, *folder.rglob("*")):
            try:
                stats.append((path.lstat(), path.is_file()))
            except FileNotFoundError:  # a process at work has replaced it meanwhile
                continue
        with locked(lock_of(folder), wait=False) as free:
            state = IN_USE if not free else DONE if (folder / FINISHED).exists() else UNFINISHED
        if stats:
            count = sum(stat.st_size for stat, is_file in stats if is_file)
            found.append(Leftover(folder, count, max(stat.st_mtime for stat, _ in stats), state))
    return found


def show(found: Sequence[Leftover]) -> None:
    """Print a table of the work, and a line where much of it is unfinished."""
    if not found:
        say("no work in .scratch")
        return
    table = Table()
    for name, justify in (("stage", "left"), ("key", "left"), ("size", "right"), ("age", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("state")
    for work in found:
        age = _age(time.time() - work.changed)
        table.add_row(*work.name.split(), size(work.bytes), age, work.state)
    Console().print(table)
    say(f"total: {size(sum(work.bytes for work in found))}")
    unfinished = sum(work.bytes for work in found if work.state == UNFINISHED)
    if unfinished > MUCH:
        say(f"{size(unfinished)} of it are unfinished; `srscene scratch --remove KEY` removes one")


def remove_work(found: Sequence[Leftover]) -> None:
    """Remove work, except what a process has; say what went."""
    for work in found:
        gone = remove(work.folder)
        say(f"removed {work.name}, {size(work.bytes)}" if gone else f"left {work.name}: {IN_USE}")


def with_keys(found: Sequence[Leftover], keys: Sequence[str]) -> list[Leftover]:
    """Return the work with these keys; raises BadInput where there is none with one of them."""
    known = {work.folder.name for work in found}
    if unknown := [key for key in keys if key not in known]:
        raise BadInput(f".scratch: no work {', '.join(unknown)}; `srscene scratch` lists what there is")
    return [work for work in found if work.folder.name in keys]


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"

"""The work that killed and finished stages left in `.scratch`: what it is, how large, and away with it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Leftover:
    """One work folder; `changed` is its newest change, in seconds since 1970."""

    folder: Path
    bytes: int
    changed: float
    state: str

    @property
    def stage(self) -> str:
        return self.folder.parent.name

    @property
    def key(self) -> str:
        return self.folder.name


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
        if stats:
            count = sum(stat.st_size for stat, is_file in stats if is_file)
            changed = max(stat.st_mtime for stat, _ in stats)
            found.append(Leftover(folder, count, changed, _state(folder)))
    return found


def _state(folder: Path) -> str:
    with locked(lock_of(folder), wait=False) as free:
        if not free:
            return IN_USE
    return DONE if (folder / FINISHED).exists() else UNFINISHED


def show(found: Sequence[Leftover]) -> None:
    """Print a table of the work, and a line where much of it is unfinished."""
    if not found:
        say("no work in .scratch")
        return
    table = Table()
    for name in ("stage", "key"):
        table.add_column(name, no_wrap=True)
    for name in ("size", "age"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state")
    for work in found:
        table.add_row(work.stage, work.key, size(work.bytes), _age(time.time() - work.changed), work.state)
    Console().print(table)
    say(f"total: {size(sum(work.bytes for work in found))}")
    unfinished = sum(work.bytes for work in found if work.state == UNFINISHED)
    if unfinished > MUCH:
        say(f"{size(unfinished)} of it are unfinished; `srscene scratch --remove KEY` removes one")


def remove_work(found: Sequence[Leftover]) -> None:
    """Remove work, except what a process has; say what went."""
    for work in found:
        if remove(work.folder):
            say(f"removed {work.stage} {work.key}, {size(work.bytes)}")
        else:
            say(f"left {work.stage} {work.key}: {IN_USE}")


def with_keys(found: Sequence[Leftover], keys: Sequence[str]) -> list[Leftover]:
    """Return the work with these keys; raises BadInput where there is none with one of them."""
    known = {work.key for work in found}
    if unknown := [key for key in keys if key not in known]:
        raise BadInput(f".scratch: no work {', '.join(unknown)}; `srscene scratch` lists what there is")
    return [work for work in found if work.key in keys]


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"

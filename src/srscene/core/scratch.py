"""Work that survives a kill.

DVC deletes a stage's outs before it runs the stage, so finished pieces wait outside them, in
`$DVC_ROOT/.scratch/<stage>/<fingerprint>/`, and move into the out at the end. DVC sets DVC_ROOT to the real
repository also when it runs an experiment in a temporary copy, so both share finished work.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from srscene.core.console import say
from srscene.core.outputs import sha256 as file_sha256


def root() -> Path:
    """The repository that DVC was started in, or the working folder."""
    return Path(os.environ.get("DVC_ROOT", "."))


def fingerprint(settings: Any, files: Iterable[Path] = ()) -> str:
    """Return 16 hex digits that stand for `settings` (JSON-able) and the names and bytes of small `files`.

    A store or weights enter `settings` by the digests that they record: hashing them would take minutes.
    """
    digest = sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in files:
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()[:16]


def code(*places: Path) -> list[Path]:
    """Return the source and data files of modules and packages, for `fingerprint`; no compiled ones."""
    found = [place.rglob("*") if place.is_dir() else [place] for place in places]
    return sorted(file for files in found for file in files if file.is_file() and file.suffix != ".pyc")


def work_folder(stage: str, key: str) -> Path:
    """Return the folder for this stage's unfinished work with this fingerprint, made if need be."""
    folder = root() / ".scratch" / stage / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def claimed(stage: str, key: str) -> Iterator[Path]:
    """Yield `work_folder(stage, key)`, which no other process has meanwhile; waits for it, saying so."""
    folder = work_folder(stage, key)
    lock = FileLock(folder.with_name(f"{key}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{stage}: another process does the same work in {folder}; waiting for it")
        lock.acquire()
    try:
        folder.mkdir(exist_ok=True)  # whoever had it before may have moved it into its out
        yield folder
    finally:
        lock.release()


def publish(folder: Path, out: Path) -> None:
    """Move finished work to a stage's out, replacing what is there; the out may be on another disk."""
    if out.exists():
        shutil.rmtree(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, out)

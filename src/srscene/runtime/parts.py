"""Work that survives a kill, in parts that any number of workers claim.

DVC deletes a stage's outs before it runs the stage, so finished parts wait outside them, in
`$DVC_ROOT/.scratch/<stage>/<key>/`, and are linked into the out at the end. DVC sets DVC_ROOT to the real
repository also when it runs an experiment in a temporary copy, so both share finished work.

A part is whole or absent: it gets its name once it is on the disk, with its digest beside it. A worker holds
the part that it computes by a file lock. The system drops the lock when the process dies, so that another
worker takes the part.
Finished work stays until the next stage begins, since until then DVC may not have recorded it.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from srscene.runtime.console import BadInput, say
from srscene.runtime.files import sha256 as file_sha256
from srscene.runtime.files import whole_file, whole_folder
from srscene.runtime.reading import read_bytes

FINISHED = "finished"
POLL = 0.2
"""Seconds between two looks at what other workers do."""


def root() -> Path:
    """Return the repository that DVC was started in, or the working folder."""
    return Path(os.environ.get("DVC_ROOT", "."))


@contextmanager
def locked(path: Path, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path` in the body; yield False where others have it and `wait` is not set.

    Works between processes and, on a disk that they share, between machines.
    """
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file:
            try:
                fcntl.flock(file, kind)
            except BlockingIOError:
                yield False
                return
            if path.exists() and os.path.samestat(
                os.fstat(file.fileno()), path.stat()
            ):  # else removed meanwhile
                yield True
                return


@contextmanager
def claimed(stage: str, key: str, shared: bool = False) -> Iterator[Path]:
    """Yield the folder of this work, alone or, if `shared`, with other workers; wait for it, saying so.

    Where all goes well, what is in it counts as finished: it stays for a kill before DVC has recorded the
    stage, until `clean`. Other work that is finished is removed first.
    """
    folder = root() / ".scratch" / stage / key
    clean(but=folder)
    with ExitStack() as held:
        with locked(_waiting(folder), shared=True):
            if not held.enter_context(locked(lock_of(folder), shared, wait=False)):
                say(f"{stage}: another process does the same work in {folder}; waiting for it")
                held.enter_context(locked(lock_of(folder), shared))
        folder.mkdir(parents=True, exist_ok=True)
        if not shared:
            (folder / FINISHED).unlink(missing_ok=True)
        yield folder
        (folder / FINISHED).touch()


def lock_of(path: Path) -> Path:
    """Return the lock file of a work folder, or of a part in it."""
    return path.with_name(f"{path.name}.lock")


def _waiting(folder: Path) -> Path:
    """Return the lock file that all who wait for a work folder share: between two of them nobody has it."""
    return folder.with_name(f"{folder.name}.waiting.lock")


def claim(parts: Sequence[Path]) -> Generator[Path, None, None]:
    """Yield, one after the other, the parts that are not there, each held against other workers meanwhile.

    Ends when all parts are there. One whose worker died is yielded to another worker.
    """
    left = [*parts]
    while left:
        others = []
        for part in left:
            if not part.exists():
                with locked(lock_of(part), wait=False) as mine:
                    if mine and not part.exists():
                        yield part
                    if mine:
                        lock_of(part).unlink(missing_ok=True)
                if not part.exists():
                    others.append(part)
        if others == left:
            time.sleep(POLL)
        left = others


def folders() -> Iterator[Path]:
    """Yield the folder of every piece of work, finished or not."""
    yield from sorted(path for path in (root() / ".scratch").glob("*/*") if path.is_dir())


def clean(but: Path | None = None) -> None:
    """Remove finished work that no process has or waits for: DVC recorded it before another stage began."""
    for folder in folders():
        if folder != but and (folder / FINISHED).exists():
            remove(folder)


def remove(folder: Path) -> bool:
    """Remove a work folder and its locks; return False, and leave it, where a process has it or waits."""
    locks = _waiting(folder), lock_of(folder)
    with locked(locks[0], wait=False) as unawaited, locked(locks[1], wait=False) as free:
        if unawaited and free:
            shutil.rmtree(folder, ignore_errors=True)
            for lock in locks:
                lock.unlink(missing_ok=True)
    return unawaited and free


@contextmanager
def piece(path: Path) -> Iterator[Path]:
    """Yield a temporary name for a piece of work, which gets its name when it is whole and on the disk.

    Its digest is noted beside it before, under that of the piece that it replaces: a kill in between leaves
    the former piece.
    """
    with whole_file(path) as temporary:
        yield temporary
        _sync(temporary)
        digests = [*_noted(path)[-1:], file_sha256(temporary)]
        with whole_file(_note(path)) as note:
            note.write_text("\n".join(digests))
    _sync(path.parent)


def kept(path: Path) -> bool:
    """Tell whether a piece is there as it was written; a damaged one is removed, and a line says so."""
    if not os.path.lexists(path):
        return False
    if path.is_file() and file_sha256(path) in _noted(path):
        return True
    say(f"{path}: not as it was written (damaged?), so it is made again")
    drop(path)
    drop(_note(path))
    return False


def drop(path: Path) -> None:
    """Remove a file, or whatever has its name, if anything has."""
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)


def publish(pieces: Iterable[Path], out: Path) -> None:
    """Fill the folder `out`, in place of what is there, with `pieces`, which stay where they are.

    They are linked, which takes no room, or copied where `out` is on another disk.
    """
    with whole_folder(out) as folder:
        for path in pieces:
            try:
                os.link(path, folder / path.name)
            except OSError:
                shutil.copyfile(path, folder / path.name)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _noted(path: Path) -> list[str]:
    """Return the digests noted for a piece, the latest last; none without a sound note."""
    try:
        return read_bytes(_note(path), 200).decode(errors="replace").split()
    except (OSError, BadInput):
        return []


def _sync(path: Path) -> None:
    """Have the disk hold a file's or a folder's content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

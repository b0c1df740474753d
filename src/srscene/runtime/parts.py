"""Work that survives a kill.

DVC deletes a stage's outs before it runs the stage, so finished pieces wait outside them, in
`$DVC_ROOT/.scratch/<stage>/<key>/`, and are linked into the out at the end. DVC sets DVC_ROOT to the
real repository also when it runs an experiment in a temporary copy, so both share finished work.

The digest of each piece is noted before the piece gets its name; one that is not as it was noted is made
again. Finished work stays until the next stage begins, since until then DVC may not have recorded it, and as
long as a process waits for it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from srscene.runtime.console import BadInput, say
from srscene.runtime.files import sha256, whole_file, whole_folder, writing
from srscene.runtime.machine import launched
from srscene.runtime.reading import read_bytes

NOTES = "SHA256SUMS"
"""Beside the pieces, a line for each that was written, the older ones too, as `sha256sum` writes it.

Of several processes each has its own, with its number behind: a disk that nodes share takes no two writers.
"""
LARGEST_NOTES = 100_000_000
"""Bytes: a million pieces."""
FINISHED = "finished"


def root() -> Path:
    """The repository that DVC was started in, or the working folder."""
    return Path(os.environ.get("DVC_ROOT", "."))


def work_folder(stage: str, key: str) -> Path:
    """Return the folder for this stage's unfinished work with this key, made if need be."""
    folder = root() / ".scratch" / stage / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def folders() -> Iterator[Path]:
    """Yield the folder of every piece of work, finished or not."""
    yield from sorted(path for path in (root() / ".scratch").glob("*/*") if path.is_dir())


@contextmanager
def claimed(stage: str, key: str) -> Iterator[Path]:
    """Yield `work_folder(stage, key)`, which no other process has meanwhile; waits for it, saying so.

    Where all goes well, what is in it counts as finished: it stays for who waits, and for a kill before DVC
    has recorded the stage, until `clean`. Other work that is finished is removed first.
    """
    folder = work_folder(stage, key)
    clean(but=folder)
    lock = lock_of(folder)
    with _awaited(folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{stage}: another process does the same work in {folder}; waiting for it")
            lock.acquire()
    try:
        folder.mkdir(exist_ok=True)
        (folder / FINISHED).unlink(missing_ok=True)
        yield folder
        (folder / FINISHED).touch()
    finally:
        lock.release()


def lock_of(folder: Path) -> FileLock:
    """Return the lock on a work folder."""
    return FileLock(folder.with_name(f"{folder.name}.lock"))


def _waiting_lock(folder: Path) -> Path:
    """Return the file that all who wait for a work folder hold, with a shared lock."""
    return folder.with_name(f"{folder.name}.waiting.lock")


@contextmanager
def _awaited(folder: Path) -> Iterator[None]:
    """Have `remove` leave a work folder: between two locks of those who wait, nobody has it."""
    with _waiting_lock(folder).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def clean(but: Path | None = None) -> None:
    """Remove work that is finished and that no process has or waits for; DVC has recorded it when another
    stage begins.
    """
    for folder in folders():
        if folder != but and (folder / FINISHED).exists():
            remove(folder)


def remove(folder: Path) -> bool:
    """Remove a work folder and its locks; return False, and leave it, where a process has it or waits."""
    lock, waiting = lock_of(folder), _waiting_lock(folder)
    try:
        with lock.acquire(timeout=0), waiting.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            waiting.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)
    except (Timeout, BlockingIOError):
        return False
    return True


@contextmanager
def piece(path: Path) -> Iterator[Path]:
    """Yield a temporary name for a piece of work, as `whole_file` does; its digest is noted, and it is on the
    disk, before it gets its name.
    """
    with whole_file(path) as temporary:
        yield temporary
        with writing(temporary), _own_notes(path.parent).open("a") as notes:
            print(_note(temporary, path.name), file=notes, flush=True)
            os.fsync(notes.fileno())
        _sync(temporary)
    _sync(path.parent)


def kept(path: Path) -> bool:
    """Tell whether a piece is there as it was written; a damaged one is removed, and a line says so."""
    if not os.path.lexists(path):
        return False
    noted = b""
    for notes in path.parent.glob(f"{NOTES}*"):
        with suppress(OSError, BadInput):  # without sound notes, no piece counts
            noted += read_bytes(notes, LARGEST_NOTES)
    if path.is_file() and _note(path, path.name).encode() in noted:
        return True
    say(f"{path}: not as it was written (damaged?), so it is made again")
    drop(path)
    if not noted:
        drop(_own_notes(path.parent))
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


def _own_notes(folder: Path) -> Path:
    """Return the file in which this process notes the digests of its pieces in `folder`."""
    rank = launched().rank
    return folder / (f"{NOTES}.{rank}" if rank else NOTES)


def _note(path: Path, name: str) -> str:
    return f"{sha256(path)}  {name}"


def _sync(path: Path) -> None:
    """Have the disk hold a file's or a folder's content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

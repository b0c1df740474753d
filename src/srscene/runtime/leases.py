"""Which of a node's GPUs a stage has to itself: a file lock for each, so that two stages never share one.

Nothing in DVC's queue tells its workers apart, and each would take the first GPU. The locks lie in the
machine's folder for temporary files, one for each user, so that all clones on a node see the same ones. The
system lets go of them when a process ends, in whatever way.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from srscene.runtime.console import BadInput, say

POLL = 0.5
"""Seconds between two looks for a free device."""
PRETENDED = "SRSCENE_PRETENDED_GPUS"
"""An environment variable for tests: names of GPUs that are not there, `a,b`. Stages without a launcher lease
them as they do real ones, and compute on the CPU.
"""


class Lease:
    """One of several devices, held until `release` or the end of the process. Call `take`."""

    def __init__(self, index: int, lock: FileLock) -> None:
        self.index, self._lock = index, lock

    def release(self) -> None:
        self._lock.release()


def take(stage: str, devices: Sequence[str], folder: Path | None = None) -> Lease:
    """Return a lease of the first of `devices`, names of their own on this machine, that nobody has.

    Waits where all are taken, and a line says so. Raises BadInput where the folder of the locks is another's.
    """
    place = folder or own_folder()
    locks = [FileLock(place / f"{device}.lock", thread_local=False) for device in devices]
    waiting = False
    while True:
        for index, lock in enumerate(locks):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return Lease(index, lock)
        if not waiting:
            count = len(devices)
            all_of_them = "the GPU is" if count == 1 else f"all {count} GPUs are"
            say(f"{stage}: {all_of_them} taken by other stages; waiting for a free one ({place})")
        waiting = True
        time.sleep(POLL)


def pretended() -> list[str]:
    """Return the names of the pretended GPUs; usually there are none."""
    return [name for name in os.environ.get(PRETENDED, "").split(",") if name]


def own_folder() -> Path:
    """Return the user's folder of locks on this machine, made if need be."""
    folder = Path(tempfile.gettempdir()) / f"srscene-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = folder.lstat().st_uid
    if owner != os.getuid():
        raise BadInput(f"{folder}: belongs to user {owner}, expected {os.getuid()}; set TMPDIR elsewhere")
    return folder

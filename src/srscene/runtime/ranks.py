"""The processes that a launcher started for one stage, and how they work as one.

torchrun, srun and MPI tell each process its number; `core.machine.launched` reads it. `together` has them
meet; what runs in it asks `current` for its part. The first process speaks for all: it alone prints lines and
bars, holds the scratch folder and publishes. A failure anywhere ends all of them, with one line:

- who fails tells the first process, which prints the line and tells the rest;
- who is killed tells nobody, but its connection breaks; each process listens to the first one's, and that one
  to all, in threads;
- a node without power or network does not even break its connections; but the system asks whether it is
  there, and breaks them.

The others end at the next `check` or `meet`, so that what they have finished is kept.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from torch import distributed
from tqdm import tqdm

from srscene.runtime.console import BadInput, brief, printable
from srscene.runtime.machine import Place, launched
from srscene.runtime.parts import claimed, root
from srscene.runtime.rendezvous import FOR_EVER, meet, watch_connections

T = TypeVar("T")

LONGEST = 4096
"""Bytes of what processes tell each other."""
TO_END = 60.0
"""Seconds that a process has to end by itself, once another has failed."""
TO_SEE = 120.0
"""Seconds until a file of another node must be seen: network file systems remember what was not there."""
QUIETLY = "\x18"
"""Told in place of an error line: end, and leave the talking to others."""


class Ended(Exception):
    """Another process has failed, and the first one has said so."""


class Ranks:
    """What a process knows of those that it works with; without a stage, it is by itself."""

    def __init__(self, stage: str = "", place: Place | None = None) -> None:
        self.stage = stage
        self.rank, self.world, self.local_rank = place or Place()
        self._peers = [*range(1, self.world)] if self.main else [0]
        self._untold = set(self._peers)  # each listens for one message
        self._spoken = False
        self._failed = threading.Event()
        self._lock = threading.Lock()
        self._listeners: list[threading.Thread] = []
        self._collective: Any = None
        self._line: Any = None

    @property
    def main(self) -> bool:
        """Whether this is the first process, which speaks for all."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """Return every `world`-th of the items, this process's part; the parts make up the whole."""
        return list(items[self.rank :: self.world])

    def check(self) -> None:
        """Raise Ended where another process has failed."""
        if self._failed.is_set():
            raise Ended

    def meet(self) -> None:
        """Return when all processes have come here."""
        if self.world > 1:
            distributed.barrier(group=self._collective)

    def gather(self, value: T) -> list[T]:
        """Return what each process gives, in their order, in all of them."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value, group=self._collective)
        return found

    def wait(self) -> None:
        """In the first process, return when all others have done their part; elsewhere, at once."""
        while self.main and any(listener.is_alive() for listener in self._listeners):
            self.check()
            time.sleep(0.02)
        self.check()

    def start(self) -> None:
        """Meet the others, and listen to them."""
        meet(self.stage, self.rank, self.world)
        self._collective = distributed.new_group(backend="gloo", timeout=FOR_EVER)
        self._line = distributed.new_group(backend="gloo", timeout=FOR_EVER)
        watch_connections()  # not NCCL's, which come later: where they hang, these tell
        for peer in self._peers:
            self._listeners.append(threading.Thread(target=self._listen, args=(peer,), daemon=True))
            self._listeners[-1].start()

    def finish(self) -> None:
        """End together, after good work."""
        if self.main:
            self.wait()
            self._tell("")
        else:
            self._tell("")
            self._listeners[0].join()
            self.check()
        distributed.destroy_process_group()

    def fail(self, text: str) -> NoReturn:
        """End this process and the others with the line `text`."""
        if self.main:
            self._speak(text)
            self._tell(QUIETLY)
        else:
            self._tell(text)
            self._failed.wait(TO_END)  # the first one speaks now; a launcher may kill it when this one ends
        leave(1)

    def stop(self) -> None:
        """Have the others end without a line, since this process ends with its own words."""
        self._tell(QUIETLY)

    def _listen(self, peer: int) -> None:
        words = torch.zeros(LONGEST, dtype=torch.uint8)
        try:
            distributed.recv(words, peer, group=self._line)
            text = bytes(words.tolist()).rstrip(b"\0").decode(errors="replace")
        except RuntimeError:
            text = (
                f"{self.stage}: process {peer} of {self.world} was lost (killed, or its node is gone); run "
                "the same command: what was finished is kept"
            )
        if not text or self._failed.is_set():
            return
        if self.rank == 1 or self.local_rank == 0:  # where the first is lost; with its node, maybe the second
            self._speak(text)
        if self.main:
            self._tell(QUIETLY)
        self._failed.set()
        timer = threading.Timer(TO_END, leave, [1])  # it may hang in what waits for the lost one
        timer.daemon = True
        timer.start()

    def _speak(self, text: str) -> None:
        with self._lock:  # nobody leaves while another thread speaks
            if not self._spoken and text != QUIETLY:
                tqdm.write(f"error: {printable(text)}", file=sys.stderr)  # on a line of its own, not a bar's
                sys.stderr.flush()
            self._spoken = True

    def _tell(self, text: str) -> None:
        """Tell those who have not been told anything yet: the first process, or it all others."""
        words = torch.tensor([*text.encode()[:LONGEST].ljust(LONGEST, b"\0")], dtype=torch.uint8)
        with self._lock:
            while self._untold:
                with suppress(RuntimeError):  # it has ended
                    distributed.send(words, self._untold.pop(), group=self._line)


ALONE = Ranks()
_current = [ALONE]


def current() -> Ranks:
    """Return this process's part in what `together` runs; outside it, that of one process alone."""
    return _current[-1]


@contextmanager
def together(stage: str) -> Iterator[None]:
    """Run the body in all processes that a launcher started, as one: see above. Alone, do nothing.

    What is raised in several processes ends them with the first one's words. Where CUDA is there, collectives
    on its tensors go through NCCL, all others through gloo. Raises BadInput when the processes do not meet.
    """
    place = launched()
    if place.world == 1:
        yield
        return
    ranks = Ranks(stage, place)
    ranks.start()
    _current.append(ranks)
    try:
        yield
        ranks.finish()
    except Ended:
        leave(1)
    except BadInput as error:
        ranks.fail(str(error))
    except KeyboardInterrupt:
        ranks.stop()
        if ranks.main:
            raise
        leave(130)
    except BaseException as error:
        if ranks._failed.wait(5.0):  # it came of another's failure: a connection that broke
            leave(1)
        traceback.print_exc()
        ranks.fail(f"{stage}: process {ranks.rank} of {ranks.world}: {brief(error) or type(error).__name__}")


@contextmanager
def claimed_together(stage: str, key: str) -> Iterator[Path]:
    """Yield the folder that `claimed` yields to the first process, which holds it for all of them.

    Raises BadInput where processes would do different work, or don't see the same folder.
    """
    ranks = current()
    keys = ranks.gather(key)
    if key != keys[0]:
        raise BadInput(
            f"{stage}: process {ranks.rank} of {ranks.world} has another device, version or input than the "
            "first one, so that its results would differ; start all on one kind of device, in one folder"
        )
    folder = root() / ".scratch" / stage / key
    with claimed(stage, key) if ranks.main else nullcontext(folder) as folder:
        ranks.meet()
        seen([folder])
        yield folder


def seen(paths: Sequence[Path]) -> None:
    """Return when all these files and folders, made by any process, are there.

    Raises BadInput where they don't come: then the processes share no folder.
    """
    until = time.monotonic() + TO_SEE
    for path in paths:
        while not path.exists():
            if time.monotonic() > until:
                raise BadInput(
                    f"{path}: not to be seen here, though another process made it; put the repository on a "
                    "disk that all nodes share"
                )
            time.sleep(0.1)


def leave(status: int) -> NoReturn:
    """End the process at once: its threads may wait for processes that are no more."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

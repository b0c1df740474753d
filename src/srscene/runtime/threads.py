"""Work that goes on while other work does: threads that work ahead, and one that writes behind.

Both keep the order, and hold at most `DEPTH` items a thread, so that memory stays flat. What a thread
raises is raised where its work was asked for.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

DEPTH = 2


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int = 1
) -> Generator[Result, None, None]:
    """Yield `work(item)` of each item, in order; threads do it up to DEPTH items each ahead."""
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > DEPTH * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Behind(Generic[Item]):
    """Does `work` with each item that it is called with, in order, in a thread; the caller goes on meanwhile.

    A context manager, at whose end all is done, also where the body has failed: what came before it counts.
    """

    def __init__(self, work: Callable[[Item], object]) -> None:
        self.work = work
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[object]] = deque()
        self._failed = False

    def __call__(self, item: Item) -> None:
        self._waiting.append(self._pool.submit(self._do, item))
        if len(self._waiting) > DEPTH:
            self._waiting.popleft().result()

    def _do(self, item: Item) -> None:
        if not self._failed:  # nothing may follow what was not done
            try:
                self.work(item)
            except BaseException:
                self._failed = True
                raise

    def __enter__(self) -> "Behind[Item]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._pool.shutdown()
        while kind is None and self._waiting:
            self._waiting.popleft().result()

"""Work that threads do ahead of the one who needs it."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int = 1, waiting: int = 0
) -> Generator[Result, None, None]:
    """Yield `work(item)` of each item, in order, done by threads.

    At most `waiting` items, by default two a thread, are ahead, so that memory stays flat. What a thread
    raises is raised where its result is asked for.
    """
    pool, results = ThreadPoolExecutor(threads), deque[Future[Result]]()
    try:
        for item in items:
            results.append(pool.submit(work, item))
            if len(results) > (waiting or 2 * threads):
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

"""Working ahead: order, depth, and where an error comes up."""

import threading
from collections.abc import Callable

import pytest

from srscene.runtime.threads import ahead


def failing_at(bad: int, done: list[int]) -> Callable[[int], int]:
    def work(item: int) -> int:
        if item == bad:
            raise ValueError(f"item {item}")
        done.append(item)
        return item

    return work


def test_results_come_in_order_from_another_thread() -> None:
    threads = set()

    def work(item: int) -> int:
        threads.add(threading.get_ident())
        return item * item

    assert list(ahead(work, range(20))) == [item * item for item in range(20)]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_no_more_is_read_than_is_soon_needed() -> None:
    asked: list[int] = []
    results = ahead(lambda item: item, (asked.append(item) or item for item in range(100)))
    assert next(results) == 0
    assert asked == list(range(3))
    results.close()
    asked.clear()
    results = ahead(lambda item: item, (asked.append(item) or item for item in range(100)), waiting=7)
    assert next(results) == 0
    assert asked == list(range(8))
    results.close()


def test_an_error_while_reading_comes_at_its_item() -> None:
    done: list[int] = []
    results = ahead(failing_at(3, []), range(10))
    with pytest.raises(ValueError, match="item 3"):
        done.extend(iter(results.__next__, None))
    assert done == [0, 1, 2]

"""Reading ahead and writing behind: order, depth, and where an error comes up."""

import threading
from collections.abc import Callable

import pytest

from srscene.runtime.threads import DEPTH, Behind, ahead


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
    assert asked == list(range(DEPTH + 1))
    results.close()


def test_an_error_while_reading_comes_at_its_item() -> None:
    done: list[int] = []
    results = ahead(failing_at(3, []), range(10))
    with pytest.raises(ValueError, match="item 3"):
        done.extend(iter(results.__next__, None))
    assert done == [0, 1, 2]


def test_all_is_written_in_order_at_the_end() -> None:
    done: list[int] = []
    with Behind(failing_at(-1, done)) as write:
        for item in range(20):
            write(item)
    assert done == list(range(20))


def test_no_more_waits_to_be_written_than_depth() -> None:
    go_on = threading.Event()
    called: list[int] = []

    def caller(write: Callable[[int], None]) -> None:
        for item in range(10):
            write(item)
            called.append(item)

    with Behind(lambda item: go_on.wait()) as write:
        thread = threading.Thread(target=caller, args=(write,))
        thread.start()
        thread.join(0.2)
        assert len(called) <= DEPTH
        go_on.set()
        thread.join()
    assert called == list(range(10))


def write(items: range, work: Callable[[int], object], fail: bool = False) -> None:
    with Behind(work) as behind:
        for item in items:
            behind(item)
        if fail:
            raise KeyError


@pytest.mark.parametrize("count", [4, 20])
def test_nothing_is_written_behind_what_failed(count: int) -> None:
    done: list[int] = []
    with pytest.raises(ValueError, match="item 3"):
        write(range(count), failing_at(3, done))
    assert done == [0, 1, 2]


def test_what_came_before_another_error_is_written() -> None:
    done: list[int] = []
    with pytest.raises(KeyError):
        write(range(2), failing_at(-1, done), fail=True)
    assert done == [0, 1]

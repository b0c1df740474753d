"""What the loops of the training benchmark count."""

import time
from collections.abc import Iterator

from benchmarks.training import Loop

PAUSE = 0.1


def batches(slow: set[int]) -> Iterator[int]:
    """Numbers without end; those in `slow` take ten pauses to come."""
    number = 0
    while True:
        time.sleep(10 * PAUSE * (number in slow))
        yield number
        number += 1


def step(_: int) -> None:
    time.sleep(PAUSE)


def test_the_start_of_the_workers_does_not_count_as_waiting() -> None:
    loop = Loop(batches({0}), step, steps=3)
    loop()
    loop()
    assert loop.waiting() < 30
    assert loop.seconds() < 8 * PAUSE


def test_a_batch_that_comes_late_counts() -> None:
    loop = Loop(batches({4}), step, steps=3)
    loop()
    loop()
    assert loop.waiting() > 50


def test_what_was_read_while_others_had_their_turn_does_not_count() -> None:
    seen: list[int] = []
    loop = Loop(batches(set()), seen.append, steps=2, ahead=8)
    loop()
    loop()
    assert seen == [8, 9, 10, 19, 20, 21]  # a step, which is not counted, and two

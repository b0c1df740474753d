"""Us and the others, side by side in one run: python -m benchmarks [TOPIC …] [--quick] [--budget SECONDS]

What becomes of damaged inputs: python -m benchmarks robustness [--n 10000]
And of stages killed at random moments: python -m benchmarks kills [--n 100]
Whether intervals hold the truth: python -m benchmarks statistics [--n 1000]
Every stage at full size, with tiny images: python -m benchmarks scale [--n 519284]
Hours and bytes of the paper's grid, computed: python -m benchmarks plan [--n 3]
How small codecs make the images of a store, and how fast: python -m benchmarks codec [--n 6]
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated

import typer

from benchmarks.common import Row, say_failed, show
from srscene.runtime.console import say

TOPICS = ("ingest", "upscaling", "reading", "training", "seesr")
FOR_GPUS = ("upscaling", "training", "seesr")
"""Come first where there is a GPU."""
LONG = ("scene",)
"""Measured where it is asked for."""
ALONE = {"robustness": 10_000, "kills": 100, "statistics": 1_000, "codec": 6, "scale": 519_284, "plan": 3}
"""What is no comparison and runs by itself; so many attempts, patches or seeds."""
GPU_BUDGET = 540.0
"""Seconds."""


def main(
    topics: Annotated[list[str] | None, typer.Argument(help=f"any of: {', '.join(TOPICS + LONG)}")] = None,
    quick: Annotated[bool, typer.Option(help="fewer rounds and smaller inputs")] = False,
    n: Annotated[
        int | None,
        typer.Option(help="of what stands alone: inputs, kills, repetitions, images, patches or seeds"),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(min=1, help=f"seconds in all; by default {GPU_BUDGET:.0f} on a GPU, else no limit"),
    ] = None,
) -> None:
    """Measure the topics (all by default) on the device at hand; print a Markdown table as each one ends."""
    if topics and topics[0] in ALONE and len(topics) == 1:
        import_module(f"benchmarks.{topics[0]}").run(ALONE[topics[0]] if n is None else n)
        return
    unknown = set(topics or ()) - set(TOPICS + LONG)
    if unknown:
        raise typer.BadParameter(
            f"no topic {', '.join(sorted(unknown))}; choose from {', '.join(TOPICS + LONG)}"
        )
    gpu = has_gpu()
    seconds = GPU_BUDGET if budget is None and gpu else budget
    ends = None if seconds is None else time.monotonic() + seconds
    order = sorted(TOPICS, key=lambda topic: gpu and topic not in FOR_GPUS)
    sound = [measured(topic, quick, ends) for topic in topics or order]
    if not all(sound):
        raise typer.Exit(1)


def has_gpu() -> bool:
    import torch  # here: it takes seconds, which nobody waits for who asks for help

    return torch.cuda.is_available()


def measured(topic: str, quick: bool, ends: float | None) -> bool:
    """Measure a topic until the clock (time.monotonic) says `ends`; return False where it fails.

    Prints what rows there are, also of a topic that has come to no end.
    """
    rows: list[Row] = []
    try:
        with limited(ends):
            for row in import_module(f"benchmarks.{topic}").run(quick):
                rows.append(row)
    except OutOfTime:
        say(f"{topic}: the budget is used up; for all of it: python -m benchmarks {topic} --budget 3600")
    except Exception as error:
        say_failed(topic, error)
        return False
    finally:
        if rows:
            show(rows)
    return True


class OutOfTime(BaseException):
    """No Exception, since a case that fails is left out, and the next one is begun."""


@contextmanager
def limited(ends: float | None) -> Iterator[None]:
    """Raise OutOfTime in the body at once, or when the clock says `ends`."""

    def stop(*_: object) -> None:
        raise OutOfTime

    if ends is None:
        yield
        return
    if (left := ends - time.monotonic()) <= 0:
        raise OutOfTime
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, left)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    typer.run(main)

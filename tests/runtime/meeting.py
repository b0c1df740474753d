"""Three processes that run together, and end in all possible ways: python -m tests.runtime.meeting

Prints, as JSON by way, what each process's status was and what it said and complained of. Forks, so that
PyTorch is imported once.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from srscene.runtime.console import BadInput, run_stage
from srscene.runtime.ranks import Ranks, current, together
from tests.ports import free_port

WORLD = 3


def all_goes_well(ranks: Ranks) -> None:
    print(ranks.gather(ranks.rank), flush=True)
    ranks.wait()


def all_find_the_same_wrong(ranks: Ranks) -> None:
    raise BadInput("wrong for all")


def one_finds_something_wrong(ranks: Ranks) -> None:
    if ranks.rank == 2:
        raise BadInput("wrong for process 2")
    ranks.meet()


def the_first_fails_when_the_others_are_done(ranks: Ranks) -> None:
    ranks.wait()
    if ranks.main:
        raise BadInput("no room to publish")


def one_has_a_bug(ranks: Ranks) -> None:
    if ranks.rank == 1:
        raise ValueError("a bug")
    ranks.meet()


def one_is_killed(ranks: Ranks) -> None:
    _killed(2, ranks)


def the_first_is_killed(ranks: Ranks) -> None:
    _killed(0, ranks)


def _killed(rank: int, ranks: Ranks) -> None:
    if ranks.rank == rank:
        os.abort()
    ranks.meet()


def all_are_interrupted(ranks: Ranks) -> None:
    raise KeyboardInterrupt


WAYS: list[Callable[[Ranks], None]] = [
    all_goes_well, all_find_the_same_wrong, one_finds_something_wrong,
    the_first_fails_when_the_others_are_done, one_has_a_bug, one_is_killed, the_first_is_killed,
    all_are_interrupted,
]  # fmt: skip


def process(rank: int, port: int, way: Callable[[Ranks], None], log: Path) -> None:
    """Be one of the processes; does not return."""
    for stream in (1, 2):
        os.dup2(os.open(f"{log}.{stream}", os.O_WRONLY | os.O_CREAT), stream)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(WORLD)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}

    def main() -> None:
        with together("stage"):
            ranks = current()
            ranks.meet()
            way(ranks)

    status = 0
    try:
        run_stage(main)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def meeting(way: Callable[[Ranks], None], folder: Path) -> list[tuple[int, str, str]]:
    port = free_port()
    children = []
    for rank in range(WORLD):
        child = os.fork()
        if not child:
            process(rank, port, way, folder / f"{way.__name__}{rank}")
        children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    texts = [
        [Path(f"{folder / way.__name__}{rank}.{stream}").read_text() for stream in (1, 2)]
        for rank in range(WORLD)
    ]
    return [(status, said, errors) for status, (said, errors) in zip(ended, texts, strict=True)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps({way.__name__: meeting(way, Path(place)) for way in WAYS}))

"""Runs stages that are killed by SIGKILL at random moments, up to three times in a row, then lets them end.

python -m dev.random_kills FOLDER KILLS STAGE...

Prints, as JSON by stage, for each such run the moments of its kills, as parts of an undisturbed run's
duration, and what was not as an undisturbed run leaves it.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TypedDict

import torch

from dev.kills import Run, ended, outputs, prepared, remove_outputs, run, start
from srscene.runtime.parts import FINISHED

IN_A_ROW = 3
"""Kills of one run, at most."""


class Disturbed(TypedDict):
    """A run that was killed, then ended by itself."""

    moments: list[float]
    """Of its kills: 0 is the start, 1 the end of an undisturbed run."""
    same: bool
    """Whether it succeeded in the end, with all bytes of an undisturbed run."""
    rubbish: list[str]
    """Files outside scratch that an undisturbed run does not leave; unfinished work in scratch."""
    said: str
    """By the run that ended by itself."""


def random_kills(stage: str, folder: Path, count: int) -> list[Disturbed]:
    """Kill a stage `count` times; a run that ended before its kill came is no kill and is done again."""
    folder.mkdir(parents=True)
    work = prepared(stage, folder)
    status, said = run(work, folder / "unbroken", kill_at=0)
    assert status == 0, said
    expected = outputs(folder / "unbroken")
    began = time.monotonic()
    run(work, folder / "timed", kill_at=0)
    duration = time.monotonic() - began
    chance = random.Random(stage)
    report: list[Disturbed] = []
    while count:
        place = folder / "disturbed"
        found = disturb(work, place, expected, duration, chance, min(count, chance.randint(1, IN_A_ROW)))
        count -= len(found["moments"])
        report += [found] if found["moments"] else []
        shutil.rmtree(place)
    return report


def disturb(
    work: Run, place: Path, expected: dict[str, bytes], duration: float, chance: random.Random, kills: int
) -> Disturbed:
    """Start the work `kills` times and kill it each time, then let it end; return what became of it."""
    moments: list[float] = []
    for _ in range(kills):
        moment = chance.random()
        child = start(work, place)
        time.sleep(moment * duration)
        os.kill(child, signal.SIGKILL)
        status, said = ended(child, place)
        assert status in (0, signal.SIGKILL), said
        moments += [moment] if status else []
        remove_outputs(place, expected)
    status, said = run(work, place, kill_at=0)
    left = outputs(place)
    same = status == 0 and all(left.get(name) == content for name, content in expected.items())
    unfinished = [
        path for path in place.glob(".scratch/*/*") if path.is_dir() and not (path / FINISHED).exists()
    ]
    rubbish = sorted({*left} - {*expected}) + [str(path.relative_to(place)) for path in unfinished]
    return {"moments": moments, "same": same, "rubbish": rubbish, "said": said}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    print(json.dumps({stage: random_kills(stage, folder / stage, count) for stage in sys.argv[3:]}))

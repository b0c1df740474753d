"""Three processes do the same work with the same scratch, and one of them is killed at a random moment.

python -m dev.robustness.concurrency FOLDER

Prints, as JSON by attempt, how each ended, and whether all that ended well published the same, whole bytes.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
from numpy.random import default_rng

from dev.kills import Run, outputs, prepared

PROCESSES = 3
STAGES = ("upscale", "fit", "train")


def attempt(work: Run, folder: Path, expected: dict[str, bytes], seconds: float, seed: int) -> dict[str, Any]:
    """Start the processes together, kill one, wait for the others; then let one more run end."""
    random = default_rng(seed)
    root = folder / "root"
    children = [_started(work, root, folder / str(number)) for number in range(PROCESSES)]
    victim = int(random.integers(PROCESSES))
    time.sleep(random.uniform(0, seconds))
    os.kill(children[victim], signal.SIGKILL)  # one that has ended waits for its parent, and bears it
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    last = _started(work, root, folder / "last")
    codes.append(os.waitstatus_to_exitcode(os.waitpid(last, 0)[1]))
    survivors = [str(number) for number in range(PROCESSES) if number != victim] + ["last"]
    same = all(outputs(folder / name) == expected for name in survivors)
    return {"codes": [code for number, code in enumerate(codes) if number != victim], "same": same}


def _started(work: Run, root: Path, place: Path) -> int:
    place.mkdir(parents=True)
    root.mkdir(exist_ok=True)
    child = os.fork()
    if not child:
        code = 1
        try:
            nowhere = os.open(place.with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            os.environ["DVC_ROOT"] = str(root)
            work(place)
            code = 0
        finally:
            os._exit(code)
    return child


def main(folder: Path, attempts: int) -> dict[str, list[dict[str, Any]]]:
    report = {}
    for stage in STAGES:
        (folder / stage).mkdir()
        work = prepared(stage, folder / stage)
        began = time.monotonic()
        os.waitpid(_started(work, folder / stage / "alone", folder / stage / "unbroken"), 0)
        seconds = time.monotonic() - began
        expected = outputs(folder / stage / "unbroken")
        assert expected
        places = [folder / stage / f"attempt-{number}" for number in range(attempts)]
        report[stage] = [
            attempt(work, place, expected, seconds, number) for number, place in enumerate(places)
        ]
    return report


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))

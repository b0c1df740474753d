"""Trains again and again, each time killed at another of its changes to the disk, and then lets it end.

python -m tests.classify.kills FOLDER

Prints a JSON list: for each kill the change that it came before, what was left, what the next run said, and
whether it left the bytes of a run that was never killed. Each training is a fork of this process, which
trains nothing itself, so that a kill is real and costs no imports.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from srscene.classify.train import train
from srscene.core.machine import Machine
from srscene.core.store import PatchStore
from tests.classify.stores import quick, write_store
from tests.options import section

OUT, CURVES = Path("models/classifier"), Path("plots/training.csv")
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod", "os.truncate"}
OPTIONS = quick(epochs=2, batch_size=4)


def main(folder: Path) -> None:
    store = write_store(folder / "store", train=8, val=0, test=0)  # no val: the last epoch is kept
    status, _ = run(store, folder / "unbroken", kill_at=0)
    assert status == 0
    expected = outputs(folder / "unbroken")
    report: list[dict[str, Any]] = []
    for kill_at in range(1, 1000):
        place = folder / str(kill_at)
        status, said = run(store, place, kill_at)
        if status == 0:
            break
        assert status == signal.SIGKILL, said
        left = sorted(str(file.relative_to(place)) for file in place.rglob("*") if file.is_file())
        shutil.rmtree(place / OUT, ignore_errors=True)  # as DVC does before it runs a stage again
        (place / CURVES).unlink(missing_ok=True)
        again, said_again = run(store, place, kill_at=0)
        same = again == 0 and outputs(place) == expected
        report.append({"before": said.splitlines()[-1], "left": left, "said": said_again, "same": same})
        shutil.rmtree(place)
    print(json.dumps(report))


def run(store: PatchStore, place: Path, kill_at: int) -> tuple[int, str]:
    """Train in a fork, killed right before its change number `kill_at`; return wait status and output."""
    place.mkdir(exist_ok=True)
    log = place.with_suffix(".log")
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            os.environ["DVC_ROOT"] = str(place)
            if kill_at:
                sys.addaudithook(Killer(kill_at, place))
            machine = section("machine", Machine)
            train(store, "test_resnet", OPTIONS, 1, machine, place / OUT, place / CURVES)
            os._exit(0)
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return status, log.read_text()


class Killer:
    """An audit hook that kills its own process before the given change under `place`."""

    def __init__(self, kill_at: int, place: Path) -> None:
        self.left, self.place, self.working = kill_at, place, False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.working or not self._changes(event, arguments):
            return
        self.left -= 1
        if not self.left:
            self.working = True
            names = [Path(part).name for part in arguments if isinstance(part, str | Path)]
            os.write(1, f"{event} {' '.join(names)}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def _changes(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event in CHANGES:
            return True
        path = arguments[0] if arguments else None
        if not isinstance(path, str | Path) or not Path(path).is_relative_to(self.place):
            return False
        if event == "os.mkdir":
            return not Path(path).exists()
        return event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))


def outputs(place: Path) -> dict[str, bytes]:
    """Return all files that a training left, but for its lock."""
    files = [file for file in place.rglob("*") if file.is_file() and file.suffix != ".lock"]
    return {str(file.relative_to(place)): file.read_bytes() for file in files}


if __name__ == "__main__":
    main(Path(sys.argv[1]))

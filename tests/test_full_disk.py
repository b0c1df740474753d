"""A disk that fills up: one line, nothing half-written under a final name, and the next run ends well.

A limit on the size of a file stands for the full disk: the writer gets EFBIG where it would get ENOSPC.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dev.kills import outputs, prepared
from srscene.runtime.console import run_stage

ROOT = Path(__file__).parents[1]
FULL = [
    ("upscale", 1 << 14, ".h5"),
    ("fit", 1 << 12, "checkpoint.pt"),  # named by the folder that it is made for
    ("train", 1 << 20, ".safetensors"),
    ("train", 3 << 20, "checkpoint.pt"),
    ("predict", 500, "predictions.h5"),
    ("evaluate", 100, ".json"),
    ("evaluate", 8000, ".png"),
]
"""Stage, bytes that a file can have, and what does not fit."""


def run(stage: str, place: Path, inputs: Path, limit: int) -> tuple[int, str]:
    """Run a stage in a fork whose files can't exceed `limit` bytes; return exit status and output."""
    inputs.mkdir()
    place.mkdir(exist_ok=True)
    log = place.with_suffix(f".{limit}.log")
    child = os.fork()
    if not child:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        status = 70
        try:
            os.environ["DVC_ROOT"] = str(place)
            work = prepared(stage, inputs)
            _, write_end = os.pipe()  # a pipe has no size
            os.dup2(write_end, 1)
            os.dup2(write_end, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                run_stage(lambda: work(place))
                status = 0
            except SystemExit as error:
                status = 1
                text = str(error.code)
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                os.write(handle, text.encode())
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), log.read_text()


def main(folder: Path) -> None:
    """Run all in forks of this process, which computes nothing itself; print what came of it."""
    report: list[dict[str, Any]] = []
    for number, (stage, limit, _) in enumerate(FULL):
        place, whole = folder / f"{number}", folder / f"{number}-whole"
        status, said = run(stage, place, folder / f"{number}-limited", limit)
        unfinished = outputs(place)
        rubbish = [file.name for file in place.rglob("*.tmp")]
        ended = [run(stage, out, out.with_name(f"{out.name}-inputs"), 0)[0] for out in (place, whole)]
        expected = outputs(whole)
        sound = unfinished.items() <= expected.items()  # what is there is whole
        same = ended == [0, 0] and outputs(place) == expected
        report.append({"status": status, "said": said, "rubbish": rubbish, "sound": sound, "same": same})
    print(json.dumps(report))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.test_full_disk", str(tmp_path_factory.mktemp("full"))]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("number", range(len(FULL)), ids=[f"{stage}{what}" for stage, _, what in FULL])
def test_a_full_disk_is_one_line_and_costs_no_byte(number: int, report: list[dict[str, Any]]) -> None:
    full = report[number]
    assert (full["status"], full["said"].count("\n")) == (1, 0), full
    assert full["said"].startswith("error: ")
    assert "the disk is full" in full["said"]
    assert FULL[number][2] in full["said"].split(": ")[1]
    assert full["rubbish"] == []
    assert full["sound"]
    assert full["same"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

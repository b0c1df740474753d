"""How processes find each other, and end together."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from srscene.runtime import ranks
from srscene.runtime.console import BadInput
from srscene.runtime.ranks import current, seen, together

ROOT = Path(__file__).parents[2]
Meetings = dict[str, list[tuple[int, str, str]]]


def test_alone_nothing_waits_and_all_is_its_own() -> None:
    with together("upscale"):
        alone = current()
        alone.meet()
        alone.wait()
        alone.check()
        assert alone.main
        assert alone.share(range(5)) == [0, 1, 2, 3, 4]
        assert alone.gather("x") == ["x"]


def test_a_folder_that_is_not_shared_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ranks, "TO_SEE", 0.2)
    seen([tmp_path])
    with pytest.raises(BadInput, match="put the repository on a disk that all nodes share"):
        seen([tmp_path / "elsewhere"])


@pytest.fixture(scope="module")
def meetings() -> Meetings:
    run = subprocess.run(
        [sys.executable, "-m", "tests.runtime.meeting"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    found: Meetings = json.loads(run.stdout)
    return found


LOST = (
    "error: stage: process {} of 3 was lost (killed, or its node is gone); run the same command: what was "
    "finished is kept"
)
ENDS = {
    "all_goes_well": ([0, 0, 0], [[], [], []]),
    "all_find_the_same_wrong": ([1, 1, 1], [["error: wrong for all"], [], []]),
    "one_finds_something_wrong": ([1, 1, 1], [["error: wrong for process 2"], [], []]),
    "the_first_fails_when_the_others_are_done": ([1, 1, 1], [["error: no room to publish"], [], []]),
    "one_has_a_bug": ([1, 1, 1], [["error: stage: process 1 of 3: a bug"], [], []]),
    "one_is_killed": ([1, 1, -signal.SIGABRT], [[LOST.format(2)], [], []]),
    "the_first_is_killed": ([-signal.SIGABRT, 1, 1], [[], [LOST.format(0)], []]),
    "all_are_interrupted": ([130, 130, 130], [[], [], []]),
}
"""Each process's status, and its error lines."""


@pytest.mark.parametrize("way", ENDS)
def test_all_end_together_with_one_line(way: str, meetings: Meetings) -> None:
    statuses, lines = ENDS[way]
    found = meetings[way]
    assert [status for status, _, _ in found] == statuses
    errors = [error.splitlines() for _, _, error in found]
    assert [[line for line in error if line.startswith("error: ")] for error in errors] == lines
    traces = [error for _, _, error in found if "Traceback" in error]
    assert len(traces) == (way == "one_has_a_bug")  # where the bug is


def test_each_process_gathers_what_all_give(meetings: Meetings) -> None:
    assert [said for _, said, _ in meetings["all_goes_well"]] == ["[0, 1, 2]\n"] * 3

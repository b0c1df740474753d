"""Work that shares its cores with other work says so, once; work that does not is quiet."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from srscene.runtime.machine import Crowded

BESIDE_OTHERS = """
import os, subprocess, sys, time
from srscene.runtime.machine import Crowded
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
try:
    crowded, until = Crowded(0.3), time.monotonic() + 30
    while not crowded.said and time.monotonic() < until:
        crowded.look()
    more = time.monotonic() + 1
    while time.monotonic() < more:
        crowded.look()
finally:
    for other in others:
        other.kill()
"""
"""Four processes that compute on one core."""


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not tell")
def test_one_of_four_on_a_core_says_so_once() -> None:
    done = subprocess.run([sys.executable, "-c", BESIDE_OTHERS], capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    start = "other work shares this machine's cores: "
    assert line.startswith(start)
    assert 33 <= int(line.removeprefix(start).partition("%")[0]) <= 100, line
    assert "% of the time is spent waiting; fewer threads (OMP_NUM_THREADS)" in line


def spent(folder: Path, *threads: tuple[float, float]) -> None:
    """Write what Linux tells of threads: seconds that each ran and waited."""
    for number, (ran, waited) in enumerate(threads):
        (folder / str(number)).mkdir(exist_ok=True)
        (folder / str(number) / "schedstat").write_text(f"{ran * 1e9:.0f} {waited * 1e9:.0f} 7\n")


@pytest.mark.parametrize(
    ("threads", "share"),
    [
        ([(10, 0), (10, 0)], None),
        ([(10, 4), (10, 5)], None),
        ([(10, 0), (10, 30)], "60%"),
        ([(0.01, 0.08)], None),  # too little to tell
        ([(0.01, 0.19)], "95%"),
    ],
)
def test_more_than_a_third_of_the_time(
    threads: list[tuple[float, float]],
    share: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spent(tmp_path, (500, 500))  # before it looked
    crowded = Crowded(0.1, tmp_path)
    time.sleep(0.1)
    spent(tmp_path, *[(500 + threads[0][0], 500 + threads[0][1]), *threads[1:]])
    crowded.look()
    said = capsys.readouterr().out
    assert (f"cores: {share} of the time" in said) if share else not said


def test_where_nothing_tells_it_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Crowded(0, tmp_path / "none").look()
    assert not capsys.readouterr().out

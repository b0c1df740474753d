"""Each worker of a sweep has its part of the GPUs and the cores: what real processes of its cells saw."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from srscene.sweep.grid import Wanted
from srscene.sweep.run import LOGS, Plan, run, visible_gpus

DVC = """#!/bin/sh
[ "$1" = cache ] && echo .dvc/cache && exit
began=$(date +%s%N)
touch "began-$$"
while [ "$(ls -d began-* | wc -l)" -lt "$TOGETHER" ]; do sleep 0.05; done
sleep "0.$(($$ % 9))"
echo "GPUs $CUDA_VISIBLE_DEVICES; threads $OMP_NUM_THREADS; $began $(date +%s%N)"
"""
"""In place of DVC: waits until so many have begun, and a moment more; tells what it sees, and when."""
CORES = len(os.sched_getaffinity(0))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of git in which `dvc` is the program above, and a shell that says nothing of threads."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/dvc").write_text(DVC)
    (tmp_path / "bin/dvc").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    who = [part for key in ("name", "email") for part in ("-c", f"user.{key}=tests")]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "empty"]):
        subprocess.run(["git", *who, *command], check=True)
    return tmp_path


def seen(monkeypatch: pytest.MonkeyPatch, jobs: int, gpus: Sequence[str], cells: int) -> list[str]:
    """Return what each of so many cells said, of which `jobs` run at once."""
    monkeypatch.setenv("TOGETHER", str(jobs))
    todo = [Wanted(f"cell-{number}", "none", "resnet18", (), "") for number in range(cells)]
    run(Plan([], [], [], [], [], todo), jobs, gpus)
    return [(LOGS / f"{cell.name}.log").read_text() for cell in todo]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("jobs", "gpus", "expected"),
    [
        (2, ["0", "1"], ["0", "1"]),
        (2, ["GPU-a", "GPU-b", "GPU-c"], ["GPU-a,GPU-c", "GPU-b"]),
        (3, ["4", "7"], ["4", "7", "4"]),
        (2, [], ["", ""]),
    ],
)
def test_each_worker_sees_its_own(
    jobs: int,
    gpus: list[str],
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    threads = max(1, CORES // jobs)
    said = [line.rpartition(";")[0] for line in seen(monkeypatch, jobs, gpus, jobs)]
    assert said == [f"GPUs {own}; threads {threads}" for own in expected]
    assert (f"{jobs} cells at a time share {len(gpus)} GPUs" in capsys.readouterr().out) == (
        0 < len(gpus) < jobs
    )


@pytest.mark.usefixtures("place")
def test_a_cell_that_follows_takes_the_gpu_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever ended first, no two were on one GPU at a time."""
    times: dict[str, list[list[int]]] = {}
    for line in seen(monkeypatch, 2, ["0", "1"], 6):
        gpu, _, when = line.split("; ")
        times.setdefault(gpu, []).append([int(part) for part in when.split()])
    assert times.keys() == {"GPUs 0", "GPUs 1"}
    for of_one in times.values():
        moments = [moment for began_ended in sorted(of_one) for moment in began_ended]
        assert moments == sorted(moments)


@pytest.mark.usefixtures("place")
def test_what_the_shell_says_of_threads_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert all("threads 5;" in line for line in seen(monkeypatch, 2, [], 2))


@pytest.mark.usefixtures("place")
def test_one_worker_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert seen(monkeypatch, 1, visible_gpus(), 1)[0].startswith("GPUs 2,3; threads ;")


@pytest.mark.parametrize(("chosen", "expected"), [("3,GPU-1f", ["3", "GPU-1f"]), ("", [])])
def test_the_shell_chooses_among_gpus(
    chosen: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == expected

"""What counts as a result, which states a cell may have, and DVC's queue: on real experiments of DVC."""

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest

from srscene.compare import results
from srscene.runtime.parts import lock_of, locked
from srscene.sweep import experiments, progress
from srscene.sweep.progress import Measured, note, read_measured
from tests.compare.toy_repo import changed, forge, make_toy, of_commit, outs_of, wait
from tests.pipeline.repository import Repo

MADE = "none-resnet50-s0"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A repository with one experiment, which a sweep made."""
    repo = make_toy(tmp_path_factory.mktemp("toy") / "repo")
    repo.run("srscene", "sweep", "--sr", "none", "--backbone", "resnet50")
    return repo


@pytest.fixture
def base(toy: Repo) -> Iterator[str]:
    """That experiment's commit; experiments that a test makes are removed behind it."""
    before = set(refs(toy))
    yield next(ref.split()[1] for ref in before if ref.split()[0].endswith(MADE))
    for ref in set(refs(toy)) - before:
        toy.run("git", "update-ref", "-d", ref.split()[0])


def refs(repo: Repo) -> list[str]:
    return repo.run("git", "for-each-ref", "refs/exps", "--format=%(refname) %(objectname)").splitlines()


def test_sixty_experiments_are_all_in_the_table(toy: Repo, base: str, tmp_path: Path) -> None:
    """Only what a sweep noted for the very commit has a device."""
    params, lock = of_commit(toy, base)
    cells = [(backbone, seed) for backbone in ("resnet18", "resnet34", "resnet50") for seed in range(20)]
    made = {
        f"none-{backbone}-s{seed}": changed(params, lock, backbone=backbone, seed=seed)
        for backbone, seed in cells
    }
    del made[MADE]
    forge(toy, base, made)
    measured = toy.folder / ".dvc/tmp/sweep/measured.csv"
    was = measured.read_text()
    measured.write_text(f"{was}none-resnet18-s0,none,resnet18,5.0,of an older version, not to be matched\n")
    said = toy.run("srscene", "compare", "-o", str(tmp_path))
    measured.write_text(was)
    assert "cells/: 60 results" in said
    rows = list(csv.DictReader((tmp_path / "table1.csv").read_text().splitlines()))
    ours = [row["n"] for row in rows if row["source"] == "ours" and row["column"] == "f1"]
    assert [count for count in ours if count] == ["20"] * 3  # the others are holes beside the paper's
    found = [json.loads(file.read_text()) for file in (tmp_path / "cells").iterdir()]
    assert {cell["provenance"]["experiment"] for cell in found} == {MADE, *made}
    assert [cell["name"] for cell in found if "device" in cell["provenance"]] == [MADE]


def test_what_assess_and_explain_said_of_another_result_is_left_out(
    toy: Repo, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, lock = of_commit(toy, base)
    outs, text = outs_of(lock), '{"value": 30.0}'
    read = outs["data/upscaled"]

    def stage(path: str, dep: str, digest: str = read, written: str = text) -> dict[str, object]:
        deps = [{"path": "data/upscaled", "md5": digest}, {"path": dep, "md5": outs[dep]}]
        return {"cmd": "", "deps": deps, "outs": [{"path": path, "md5": md5(written.encode()).hexdigest()}]}

    def both(**changes: str) -> dict[str, str]:
        stages = {
            "assess": stage(results.FIDELITY, "data/patches", **changes),
            "explain": stage(results.COVERAGE, "models/classifier", **changes),
        }
        files = changed(params, lock | {"stages": lock["stages"] | stages})
        return files | {results.FIDELITY: text, results.COVERAGE: text}

    forge(
        toy,
        base,
        {"sound": both(), "of-others": both(digest="0" * 32), "changed": both(written="{}")}
        | {"unlocked": {results.FIDELITY: text, results.COVERAGE: text}},
    )
    monkeypatch.chdir(toy.folder)
    asked = experiments.named(["sound", "of-others", "changed", "unlocked"])
    found, unusable = results.read(asked, Path(".dvc/cache"))
    assert not unusable
    assert [result.cell.fidelity for result in found] == [{"value": 30.0}, {}, {}, {}]
    assert [result.cell.coverage for result in found] == [{"value": 30.0}, {}, {}, {}]
    assert found[0].cell.metrics == found[1].cell.metrics


def test_what_was_not_pulled_is_kept_and_not_run(toy: Repo, base: str) -> None:
    params, lock = of_commit(toy, base)
    files = changed(params, lock, seed=7)
    files["dvc.lock"] = files["dvc.lock"].replace(outs_of(lock)["data/predictions.h5"], "f" * 32)
    forge(toy, base, {"none-resnet50-s7": files})
    there = refs(toy)
    call = ("sweep", "--sr", "none", "--backbone", "resnet50", "--seed", "0,7")
    said = toy.run("srscene", *call)
    assert "none-resnet50-s7 does not count: its predictions are not in DVC's cache" in said
    assert "sweep: 2 cells: 1 there, 1 unpulled" in said
    assert "of 1: " not in said
    assert refs(toy) == there
    again = toy.run("srscene", *call, "--again", "--dry-run")
    assert "sweep: 2 cells: 2 missing" in again
    assert re.search("none-resnet50-s7-[0-9a-f]{4} ", again)


@pytest.mark.usefixtures("base")
def test_mixed_numbers_of_threads_are_told(toy: Repo, tmp_path: Path) -> None:
    """By the experiments, and by the folder that holds their results."""
    busy = Repo(toy.folder, toy.environment | {"OMP_NUM_THREADS": "3"})
    busy.run("srscene", "sweep", "--sr", "none", "--backbone", "resnet50", "--seed", "4")
    alone = toy.run("srscene", "compare", "-e", MADE, "-o", str(tmp_path))
    assert "are mixed" not in alone
    both = ("-e", MADE, "-e", "none-resnet50-s4")
    assert "numbers of threads are mixed (1, 3)" in toy.run("srscene", "compare", *both, "-o", str(tmp_path))
    found = [json.loads(file.read_text()) for file in (tmp_path / "cells").iterdir()]
    assert {cell["name"]: cell["provenance"]["threads"] for cell in found} == {
        MADE: "1",
        "none-resnet50-s4": "3",
    }
    assert "are mixed (1, 3)" in toy.run("srscene", "compare", "--from", str(tmp_path / "cells"))


def test_measured_rows_are_read_with_and_without_a_commit(tmp_path: Path) -> None:
    (tmp_path / "measured.csv").write_text("a,none,resnet18,5.0,CPU\nb,none,resn\nc,none,resnet18,x,CPU\n")
    note(tmp_path, Measured("d", "none", "resnet18", 6.04, "CPU, two cores", "0f"))
    assert read_measured(tmp_path) == [
        Measured("a", "none", "resnet18", 5.0, "CPU"),
        Measured("d", "none", "resnet18", 6.0, "CPU, two cores", "0f"),
    ]


def test_a_sweep_says_when_it_ends_before_its_first_cell_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0)
    log = tmp_path / "a.log"
    log.write_text("Running stage 'train':\n")
    with progress.Follower(4, 3600) as follower:
        follower.show({"a": log})
        follower.ended("a", 60, None)
        follower.show({"b": log})
    with progress.Follower(4) as follower:
        follower.show({"a": log})
    first, _, later, unknown = capsys.readouterr().out.splitlines()
    assert first == "sweep: 0 of 4 ended; a: train; about 1 h 00 min left"
    assert later.startswith("sweep: 1 of 4 ended; b: train")
    assert "1 h" not in later
    assert unknown == "sweep: 0 of 4 ended; a: train"


@pytest.fixture(scope="module")
def queued(toy: Repo, tmp_path_factory: pytest.TempPathFactory) -> tuple[Repo, list[str]]:
    """Three cells that need the same patches, run by two workers of DVC that meet there; their logs."""
    call = ("sweep", "--sr", "bicubic", "--backbone", "resnet18,resnet34", "--queue")
    assert "bicubic-resnet34-s0 is queued" in toy.run("srscene", *call)
    again = toy.run("srscene", *call)
    assert "2 queued" in again
    assert "2 in DVC's queue, and no worker answers: `dvc queue start -j N` runs what waits" in again
    assert "is queued" not in again
    toy.run("srscene", "sweep", "--sr", "bicubic", "--backbone", "resnet101", "--queue")
    work = toy.folder / ".scratch/upscale" / _name_of_work(toy, tmp_path_factory.mktemp("alone") / "repo")
    work.parent.mkdir(parents=True, exist_ok=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # workers would keep a pipe open
    with locked(lock_of(work)):
        subprocess.run(["dvc", "queue", "start", "-j", "2"], cwd=toy.folder, env=toy.environment, **quiet)
        wait(lambda: sum("waiting for it" in log for log in _queue_logs(toy)) == 2, 300)
    wait(lambda: not re.search("Queued|Running", toy.dvc("queue", "status")), 300, every=2)
    toy.dvc("queue", "stop")
    return toy, _queue_logs(toy)


def _name_of_work(repo: Repo, folder: Path) -> str:
    """Return what the stage calls this work in scratch, by doing it elsewhere."""
    ignored = shutil.ignore_patterns(".git", ".dvc", ".scratch", "data", "models")
    shutil.copytree(repo.folder, folder, ignore=ignored)
    alone = Repo(folder, repo.environment)
    alone.set(sr="bicubic")
    for stage in ("toy.py ingest", "toy.py weights", "-m stages.upscale"):
        alone.run("python", *stage.split())
    (work,) = (path for path in (folder / ".scratch/upscale").iterdir() if path.is_dir())
    return work.name


def _queue_logs(repo: Repo) -> list[str]:
    return [file.read_text() for file in repo.folder.glob(".dvc/tmp/exps/run/*/*.out")]


def test_two_workers_of_dvc_wait_for_a_third_and_then_share_its_work(
    queued: tuple[Repo, list[str]],
) -> None:
    repo, logs = queued
    assert len(logs) == 3
    assert sum("upscale: another process does the same work in " in log for log in logs) == 2
    call = ("sweep", "--sr", "bicubic", "--backbone", "resnet18,resnet34", "--dry-run")
    assert "sweep: 2 cells: 2 there" in repo.run("srscene", *call)


def test_what_failed_in_the_queue_is_queued_once_more(queued: tuple[Repo, list[str]]) -> None:
    repo, _ = queued
    call = ("sweep", "--sr", "bicubic", "--backbone", "resnet101", "--queue")
    first = repo.run("srscene", *call)
    assert "sweep: 1 cell: 1 failed" in first
    assert "bicubic-resnet101-s0 is queued" in first
    second = repo.run("srscene", *call)
    assert "sweep: 1 cell: 1 queued" in second
    assert "is queued" not in second
    assert repo.dvc("queue", "status").count("bicubic-resnet101-s0") == 2


@pytest.mark.parametrize(("said", "expected"), [
    ("ERROR: Unable to acquire lock. Most likely another DVC process is running\n", True),
    ("ERROR: '/a' is busy, it is being blocked by:\n  (PID 3): dvc\n\nIf there are no processes\n", True),
    ("ERROR: '/a' is busy, it is being blocked by:\nerror: small\nERROR: failed to reproduce\n", False),
    ("", False),
])  # fmt: skip
def test_a_cell_that_dvc_gave_up_for_a_lock_is_told_from_one_that_failed(
    tmp_path: Path, said: str, expected: bool
) -> None:
    (tmp_path / "log").write_text(said)
    assert experiments.locked_out(tmp_path / "log") is expected

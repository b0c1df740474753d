"""`srscene sweep` and `compare` on real experiments of DVC, two at a time."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from srscene.compare.experiments import LOCKED
from tests.compare.toy_repo import make_toy
from tests.pipeline.repository import Repo

GRID = ("sweep", "--sr", "none,bicubic", "--backbone", "resnet50,resnet152")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    return make_toy(tmp_path_factory.mktemp("toy") / "repo")


@pytest.fixture(scope="module")
def swept(toy: Repo) -> tuple[Repo, str]:
    """The repository after a sweep with two workers, and what that said."""
    return toy, toy.run("srscene", *GRID, "-j", "2")


def names(repo: Repo) -> set[str]:
    return set(repo.dvc("exp", "list", "-A", "--name-only").split())


def test_a_wrong_name_is_refused_before_anything_runs(toy: Repo) -> None:
    said = toy.run("srscene", "sweep", "--sr", "none,biqubic", ok=False)
    assert "sr: there is no 'biqubic'; did you mean 'bicubic'?" in said
    said = toy.run("srscene", "sweep", "-S", "classifier.epoch=2", ok=False)
    assert "no parameter 'classifier.epoch'; did you mean 'epochs'?" in said
    said = toy.run("srscene", "sweep", "--seed", "0,-1", ok=False)
    assert "seed" in said
    assert "-1" in said
    assert "Traceback" not in said


def test_all_cells_end_under_readable_names(swept: tuple[Repo, str]) -> None:
    repo, said = swept
    assert "sweep: 4 cells: 4 missing" in said
    expected = {f"{sr}-{backbone}-s0" for sr in ("none", "bicubic") for backbone in ("resnet50", "resnet152")}
    assert names(repo) >= expected
    assert "sweep: 4 of 4: " in said
    assert "left" in said


def computed(repo: Repo, sr: str) -> int:
    """How many of the cells began to upscale from the first patch on."""
    logs = sorted((repo.folder / ".dvc/tmp/sweep").glob(f"{sr}-*.log"))
    assert len(logs) == 2
    return sum(f"{sr}:   0%" in log.read_text() for log in logs)


def test_upscaled_patches_are_computed_once(swept: tuple[Repo, str]) -> None:
    """Two cells share each upscaler: one of them computes, in the other DVC or scratch has them."""
    repo, _ = swept
    assert [computed(repo, sr) for sr in ("none", "bicubic")] == [1, 1]


def test_a_second_call_has_nothing_to_do(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    before = names(repo)
    said = repo.run("srscene", *GRID, "-j", "2")
    assert "sweep: 4 cells: 4 there" in said
    assert "of 4: " not in said
    assert names(repo) == before


def test_another_commit_still_sees_them(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    (repo.folder / "notes.txt").write_text("something else")
    repo.commit("Another commit")
    assert "4 there" in repo.run("srscene", *GRID, "--dry-run")
    assert "No SR" in repo.run("srscene", "compare")


def test_a_failed_cell_is_reported_and_the_rest_ends(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    call = ("sweep", "--sr", "bicubic", "--backbone", "resnet101,resnet34")
    said = repo.run("srscene", *call, ok=False)
    assert "failed: bicubic-resnet101-s0: error: resnet101: this machine is too small" in said
    assert "some cells failed" in said
    assert "bicubic-resnet34-s0" in names(repo)
    assert "bicubic-resnet101-s0" not in names(repo)
    assert "1 there, 1 missing; about " in repo.run("srscene", *call, "--dry-run")


def test_queued_once_and_run_by_dvcs_two_workers(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    call = ("sweep", "--sr", "bicubic", "--backbone", "resnet18", "--seed", "0,1", "--queue")
    assert "bicubic-resnet18-s1 is queued" in repo.run("srscene", *call)
    again = repo.run("srscene", *call)
    assert "2 queued" in again
    assert "is queued" not in again
    assert repo.dvc("queue", "status").count("bicubic-resnet18") == 2
    repo.dvc("queue", "start", "-j", "2")
    until = time.monotonic() + 300
    while re.search("Queued|Running", repo.dvc("queue", "status")) and time.monotonic() < until:
        time.sleep(2)
    repo.dvc("queue", "stop")
    assert "2 there" in repo.run("srscene", *call)


def test_other_settings_do_not_overwrite_an_experiment(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    call = ("sweep", "--sr", "none", "--backbone", "resnet50", "-S", "classifier.epochs=9")
    repo.run("srscene", *call)
    assert "none-resnet50-s0" in names(repo)
    assert any(name.startswith("none-resnet50-s0-") for name in names(repo))
    said = repo.run("srscene", "compare")
    assert "1 with other settings left out, such as none-resnet50-s0-" in said
    assert "(classifier.epochs: 9, not 4)" in said


def test_a_killed_sweep_goes_on(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    call = ["srscene", "sweep", "--sr", "none,bicubic", "--backbone", "resnet26", "-j", "2"]
    sweep = subprocess.Popen(
        call, cwd=repo.folder, env=repo.environment, start_new_session=True, stdout=subprocess.PIPE
    )
    log = repo.folder / ".dvc/tmp/sweep/none-resnet26-s0.log"
    until = time.monotonic() + 60
    while not (log.exists() and "Running stage" in log.read_text()) and time.monotonic() < until:
        time.sleep(0.2)
    assert log.exists()
    cells = subprocess.run(["pgrep", "-P", str(sweep.pid)], capture_output=True, text=True).stdout.split()
    sweep.kill()
    for cell in cells:  # each leads a group, its stages in it
        os.killpg(int(cell), signal.SIGKILL)
    sweep.wait()
    said = repo.run(*call)
    assert "sweep: 2 cells: " in said
    assert names(repo) >= {"none-resnet26-s0", "bicubic-resnet26-s0"}


def test_a_sweep_killed_alone_leaves_cells_that_count(swept: tuple[Repo, str]) -> None:
    """Its cells go on by themselves; the same call meets their names, and ends well."""
    repo, _ = swept
    call = ["srscene", "sweep", "--sr", "none,bicubic", "--backbone", "resnet34", "--seed", "3", "-j", "2"]
    sweep = subprocess.Popen(call, cwd=repo.folder, env=repo.environment, stdout=subprocess.DEVNULL)
    log = repo.folder / ".dvc/tmp/sweep/none-resnet34-s3.log"
    until = time.monotonic() + 60
    while not (log.exists() and "Running stage" in log.read_text()) and time.monotonic() < until:
        time.sleep(0.2)
    sweep.kill()
    sweep.wait()
    said = repo.run(*call)
    assert "failed" not in said
    assert names(repo) >= {"none-resnet34-s3", "bicubic-resnet34-s3"}


HOLDER = """
import sys
from dvc.repo import Repo
with Repo().lock:
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_cell_that_meets_a_locked_repository_is_started_again(swept: tuple[Repo, str]) -> None:
    """Another DVC process has it for longer than DVC waits."""
    repo, _ = swept
    piped = {"cwd": repo.folder, "env": repo.environment, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    log = repo.folder / ".dvc/tmp/sweep/none-resnet50-s9.log"
    with subprocess.Popen([sys.executable, "-c", HOLDER], text=True, **piped) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        call = ["srscene", "sweep", "--sr", "none", "--backbone", "resnet50", "--seed", "9"]
        with subprocess.Popen(call, text=True, **{**piped, "stderr": subprocess.STDOUT}) as sweep:
            until = time.monotonic() + 60
            while not (log.exists() and LOCKED in log.read_text()) and time.monotonic() < until:
                time.sleep(0.1)
            met = log.exists() and LOCKED in log.read_text()
            holder.communicate()
            said, _ = sweep.communicate()
    assert met
    assert sweep.returncode == 0, said
    assert "sweep: 1 of 1: none-resnet50-s9 done" in said
    assert "failed" not in said
    assert "none-resnet50-s9" in names(repo)


def test_what_is_there_is_run_again_on_request(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    call = ("sweep", "--sr", "none", "--backbone", "resnet50")
    assert "1 there" in repo.run("srscene", *call, "--dry-run")
    said = repo.run("srscene", *call, "--again")
    assert "sweep: 1 cell: 1 missing" in said
    assert "sweep: 1 of 1: none-resnet50-s0 done" in said
    assert "Running stage" not in (repo.folder / ".dvc/tmp/sweep/none-resnet50-s0.log").read_text()


def test_two_workers_that_need_the_same_patches_at_once(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    larger = ("-S", "upscalers.bicubic.upscale.scale=3")
    repo.run("srscene", "sweep", "--sr", "bicubic", "--backbone", "resnet18d,resnet34d", *larger, "-j", "2")
    logs = [log.read_text() for log in (repo.folder / ".dvc/tmp/sweep").glob("bicubic-resnet??d-s0.log")]
    assert len(logs) == 2
    assert sum("bicubic:   0%" in log for log in logs) == 1, logs


def test_a_page_of_them(swept: tuple[Repo, str], tmp_path: Path) -> None:
    """The toy's classifiers can't be asked where they look: the page goes without, and a line says so."""
    repo, _ = swept
    page, drawn = tmp_path / "report.html", tmp_path / "figures"
    only = [part for sr in ("none", "bicubic") for part in ("-e", f"{sr}-resnet50-s0")]
    said = repo.run("srscene", "report", *only, "-o", str(page), "--figures", str(drawn), "--megabytes", "1")
    assert "report: not all patches can be shown: " in said
    assert "models/classifier" in said or "card.json" in said
    assert page.stat().st_size < 1e6
    assert page.read_text().count("data:image/webp") > 10
    assert {file.name for file in drawn.iterdir()} >= {"figure2.png", "figure2.pdf", "gain-resnet50.png"}


def test_what_disagrees_with_its_lock_does_not_count(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    (repo.folder / "params.yaml").write_text(
        (repo.folder / "params.yaml").read_text().replace("sr: srresnet", "sr: none")
    )
    repo.dvc("repro")
    file = repo.folder / "metrics/test.json"
    file.chmod(0o644)
    file.write_text(file.read_text().replace('"f1": 0', '"f1": 1'))
    repo.commit("Numbers of nobody")
    said = repo.run("srscene", "compare", "-e", "HEAD", ok=False)
    assert "HEAD does not count: metrics/test.json is not what evaluate wrote" in said
    params = yaml.safe_load((repo.folder / "params.yaml").read_text())
    params["backbone"] = "resnet51q"
    (repo.folder / "params.yaml").write_text(yaml.safe_dump(params))
    repo.commit("Another backbone's numbers")
    said = repo.run("srscene", "compare", "-e", "HEAD", ok=False)
    assert "HEAD does not count: train ran with backbone: resnet50, not resnet51q" in said
    repo.run("git", "revert", "--no-edit", "HEAD", "HEAD~1")


def test_compare_writes_and_reads_its_results(swept: tuple[Repo, str], tmp_path: Path) -> None:
    repo, _ = swept
    out = tmp_path / "out"
    only = [part for sr in ("none", "bicubic") for part in ("-e", f"{sr}-resnet50-s0")]
    said = repo.run("srscene", "compare", *only, "-o", str(out), "--contrast", "bicubic")
    assert "fewer than" not in said.split("verdict")[0]
    assert {file.name for file in (out / "cells").iterdir()} == {
        "none-resnet50-s0.json", "bicubic-resnet50-s0.json",
    }  # fmt: skip
    cell = json.loads((out / "cells/none-resnet50-s0.json").read_text())
    assert cell["provenance"]["commit"] == repo.run("git", "rev-parse", cell["provenance"]["commit"]).strip()
    assert "No SR" in repo.run("srscene", "compare", "--from", str(out / "cells"))
    pair = repo.run("srscene", "compare", "none-resnet50-s0", "bicubic-resnet50-s0")
    words = "fewer than 3 seeds, so that nothing is claimed about another training"
    assert words in " ".join(pair.split())
    said = repo.run("srscene", "compare", "hat-resnet50", "bicubic-resnet50", ok=False)
    assert "'hat-resnet50': no such result; there are none-resnet50, " in said

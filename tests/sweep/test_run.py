"""`srscene sweep` and `compare` on real experiments of DVC, two at a time."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from srscene.runtime.params import parse
from srscene.sweep.experiments import locked_out
from srscene.sweep.run import PATIENCE
from tests.compare.toy_repo import log_of, make_toy, names, of_commit, outs_of, runs, wait
from tests.options import written
from tests.pipeline.repository import PYTHON, Repo

SRSCENE = str(PYTHON / "srscene")
"""For what is killed; else `srscene` is the one that starts at once."""
GRID = ("sweep", "--sr", "none,bicubic", "--backbone", "resnet50,resnet152")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, warm: Path) -> Repo:
    toy = make_toy(tmp_path_factory.mktemp("toy") / "repo")
    toy.environment["PATH"] = os.pathsep.join([str(warm / "cli"), toy.environment["PATH"]])
    return toy


@pytest.fixture(scope="module")
def swept(toy: Repo) -> tuple[Repo, str]:
    """The repository after a sweep with two workers, and what that said."""
    return toy, toy.run("srscene", *GRID, "-j", "2")


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


def test_other_settings_do_not_overwrite_an_experiment(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    call = ("sweep", "--sr", "none", "--backbone", "resnet50", "-S", "classifier.epochs=9")
    repo.run("srscene", *call)
    assert "none-resnet50-s0" in names(repo)
    assert any(name.startswith("none-resnet50-s0-") for name in names(repo))
    said = repo.run("srscene", "compare")
    assert "1 with other settings left out, such as none-resnet50-s0-" in said
    assert "(classifier.epochs: 9, not 4)" in said


HELD = ("sweep", "--sr", "none,bicubic", "--backbone", "resnet26d", "-j", "2")
"""Two cells that wait for a word."""


def begun(repo: Repo, call: tuple[str, ...], *logs: Path) -> tuple["subprocess.Popen[bytes]", list[int]]:
    """Start a sweep, wait until all cells of these logs are at work; return it and its cells' groups."""
    piped = {"cwd": repo.folder, "env": repo.environment, "stdout": subprocess.DEVNULL}
    sweep = subprocess.Popen([SRSCENE, *call], **piped)
    wait(lambda: all(log.exists() and "at work" in log.read_text() for log in logs))
    cells = subprocess.run(["pgrep", "-P", str(sweep.pid)], capture_output=True, text=True).stdout
    return sweep, [int(cell) for cell in cells.split()]


def test_a_killed_sweep_goes_on(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    call = (*HELD, "--seed", "5")
    made = [f"{sr}-resnet26d-s5" for sr in ("none", "bicubic")]
    sweep, cells = begun(repo, call, *(log_of(repo, name) for name in made))
    sweep.kill()
    for cell in cells:
        os.killpg(cell, signal.SIGKILL)  # with its stages
    sweep.wait()
    (repo.folder / "go").touch()
    said = repo.run("srscene", *call)
    (repo.folder / "go").unlink()
    assert "sweep: 2 cells: 2 missing" in said
    assert names(repo) >= set(made)


def test_a_sweep_that_is_terminated_in_a_script_s_background_takes_its_cells_along(
    swept: tuple[Repo, str],
) -> None:
    """There, programs begin with Ctrl-C ignored, and so would the cells, which are ended by it."""
    repo, _ = swept
    call = f"{SRSCENE} sweep --sr none --backbone resnet26d & echo $!; wait"
    log = log_of(repo, "none-resnet26d-s0")
    piped = {"cwd": repo.folder, "env": repo.environment, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(["sh", "-c", call], **piped) as script:
        assert script.stdout
        sweep = int(script.stdout.readline())
        wait(lambda: log.exists() and "at work" in log.read_text())  # imports may lose a Ctrl-C
        os.kill(sweep, signal.SIGTERM)
        wait(lambda: not runs(log), PATIENCE / 2)
        script.communicate()
    assert "none-resnet26d-s0" not in names(repo)


def test_a_sweep_killed_alone_leaves_cells_that_run_and_count(swept: tuple[Repo, str]) -> None:
    """They are left to themselves, as those of a second sweep at the same time would be."""
    repo, _ = swept
    call = (*HELD, "--seed", "3")
    logs = [log_of(repo, f"{sr}-resnet26d-s3") for sr in ("none", "bicubic")]
    sweep, _ = begun(repo, call, *logs)
    sweep.kill()
    sweep.wait()
    said = repo.run("srscene", *call)
    (repo.folder / "go").touch()
    assert "sweep: 2 cells: 2 running" in said
    assert "of 2: " not in said
    wait(lambda: not any(runs(log) for log in logs))
    (repo.folder / "go").unlink()
    assert "sweep: 2 cells: 2 there" in repo.run("srscene", *call)


def test_a_sweep_that_breaks_leaves_no_cell_running(swept: tuple[Repo, str]) -> None:
    repo, _ = swept
    log_of(repo, "bicubic-resnet50-s8").mkdir()
    call = ("sweep", "--sr", "none,bicubic", "--backbone", "resnet50", "--seed", "8", "-j", "2")
    said = repo.run("srscene", *call, ok=False)
    assert "bicubic-resnet50-s8.log" in said
    assert not runs(log_of(repo, "none-resnet50-s8"))
    assert "none-resnet50-s8" not in names(repo)


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
    log = log_of(repo, "none-resnet50-s9")
    with subprocess.Popen([sys.executable, "-c", HOLDER], text=True, **piped) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        call = [SRSCENE, "sweep", "--sr", "none", "--backbone", "resnet50", "--seed", "9"]
        with subprocess.Popen(call, text=True, **{**piped, "stderr": subprocess.STDOUT}) as sweep:
            wait(lambda: log.exists() and locked_out(log), every=0.1)
            holder.communicate()
            said, _ = sweep.communicate()
    assert sweep.returncode == 0, said
    assert "sweep: 1 of 1: none-resnet50-s9 done" in said
    assert "failed" not in said
    assert "none-resnet50-s9" in names(repo)


def test_what_is_there_is_run_again_on_request(swept: tuple[Repo, str]) -> None:
    """Under another name: what it was stays, here an experiment whose name two commits hold."""
    repo, _ = swept
    name, measured = "none-resnet50-s0", repo.folder / ".dvc/tmp/sweep/measured.csv"
    head = repo.run("git", "rev-parse", "HEAD").strip()
    found = refs(repo)
    ref = next(ref for ref in found if ref.endswith(f"/{name}"))
    repo.run("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", found[ref])
    before, was = refs(repo), measured.read_text()
    call = ("sweep", "--sr", "none", "--backbone", "resnet50")
    assert "1 there" in repo.run("srscene", *call, "--dry-run")
    said = repo.run("srscene", *call, "--again")
    assert "sweep: 1 cell: 1 missing" in said
    assert f"sweep: 1 of 1: {name}-" in said
    after = refs(repo)
    assert before.items() <= after.items()
    (new,) = after.keys() - before.keys()
    assert "Running stage" not in log_of(repo, new.rpartition("/")[2]).read_text()
    assert measured.read_text() == was


def refs(repo: Repo) -> dict[str, str]:
    """Return the commit of each experiment's ref."""
    lines = repo.run("git", "for-each-ref", "refs/exps", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split() for line in lines)


def test_two_workers_that_need_the_same_patches_at_once(swept: tuple[Repo, str]) -> None:
    """They share them out; what both publish is the same."""
    repo, _ = swept
    larger = ("-S", "upscalers.bicubic.upscale.scale=3")
    repo.run("srscene", "sweep", "--sr", "bicubic", "--backbone", "resnet18d,resnet34d", *larger, "-j", "2")
    commits = [commit for ref, commit in refs(repo).items() if re.search("bicubic-resnet..d-s0$", ref)]
    assert len(commits) == 2
    made = [of_commit(repo, commit)[1] for commit in commits]
    assert outs_of(made[0])["data/upscaled"] == outs_of(made[1])["data/upscaled"]


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
    params = parse((repo.folder / "params.yaml").read_bytes())
    params["backbone"] = "resnet51q"
    (repo.folder / "params.yaml").write_text(written(params))
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

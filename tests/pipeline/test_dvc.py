"""What DVC restores, compares and refuses: real runs.

The tests build on each other's cache, so they share one repository and run in this order.
"""

import json
import shutil
from pathlib import Path

from srscene.runtime.params import parse
from tests.options import written
from tests.pipeline.repository import ROOT, Repo, executed


def test_a_second_run_does_nothing(repo: Repo) -> None:
    assert repo.repro() == set()
    assert "up to date" in repo.dvc("status")


def test_the_metrics_are_those_of_the_paper(repo: Repo) -> None:
    shown = json.loads(repo.dvc("metrics", "show", "--json", "metrics/test.json"))
    values = shown[""]["data"]["metrics/test.json"]["data"]
    assert {"acc", "hamming_loss", "one_error", "precision", "recall", "f1", "f2_macro"} <= set(values)
    assert {"macro_ap", "micro_ap"} <= set(values)


def test_every_plot_is_there(repo: Repo) -> None:
    names = ("upscaling", "gradcam", "classes", "precision_recall", "training")
    for name in names:
        assert (repo.folder / f"plots/{name}.png").read_bytes().startswith(b"\x89PNG"), name
        assert (repo.folder / f"plots/{name}.pdf").read_bytes().startswith(b"%PDF"), name
    repo.dvc("plots", "show")


def test_an_experiment_changes_sr_and_backbone(repo: Repo) -> None:
    output = repo.dvc("exp", "run", "--name", "wider", "-S", "sr=bicubic", "-S", "backbone=resnet34")
    assert {"upscale", "train", "evaluate"} <= executed(output)
    assert not {"ingest", "synthesize"} & executed(output)
    values = parse((repo.folder / "params.yaml").read_bytes())
    assert (values["sr"], values["backbone"]) == ("bicubic", "resnet34")
    assert "wider" in repo.dvc("exp", "show", "--csv")


def test_metrics_diff_shows_the_difference(repo: Repo) -> None:
    differences = json.loads(repo.dvc("metrics", "diff", "--json"))
    assert differences["metrics/upscaling.json"] or differences["metrics/test.json"]
    assert "metrics/test.json" in repo.dvc("metrics", "diff", "--all")


def test_the_way_back_that_readme_teaches(repo: Repo) -> None:
    repo.run("git", "restore", "params.yaml")
    assert repo.repro() == set()
    assert repo.run("git", "status", "--porcelain") == ""


def test_the_way_back_from_somebody_elses_results(repo: Repo) -> None:
    """A fresh clone whose dvc.lock names objects that only its author has, as after a first `make repro`."""
    lock = repo.folder / "dvc.lock"
    theirs = parse(lock.read_bytes())
    for stage in theirs["stages"].values():
        for out in stage["outs"]:
            out["md5"] = out["md5"][::-1] if ".dir" not in out["md5"] else out["md5"][31::-1] + ".dir"
    lock.write_text(written(theirs))
    repo.commit("Their results")
    known = repo.dvc("exp", "run", "-S", "sr=bicubic", "-S", "backbone=resnet34")
    assert "evaluate" not in executed(known)  # restored from the run-cache
    repo.run("git", "restore", ".")
    repo.repro()
    repo.dvc("exp", "run", "-S", "sr=bicubic", "-S", "backbone=resnet34")
    repo.run("git", "restore", "params.yaml")
    assert repo.repro() == set()
    assert parse((repo.folder / "params.yaml").read_bytes())["sr"] == "none"
    assert "up to date" in repo.dvc("status")
    repo.commit("My baseline")


def test_a_forced_run_gives_an_identical_lock(repo: Repo) -> None:
    """Of stages that a new process of Python runs, which `repo`'s own are not."""
    before = (repo.folder / "dvc.lock").read_bytes()
    assert len(Repo(repo.folder).repro("-f")) == 11
    assert (repo.folder / "dvc.lock").read_bytes() == before


def test_a_copy_runs_its_own_code(tmp_path: Path) -> None:
    """As a temporary experiment's, where the clone that was installed has other code."""
    copy = Repo(tmp_path / "copy", {"PYTHONPATH": str(ROOT / "src")})
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, copy.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy.folder / "src/srscene/check.py").write_text("raise SystemExit('the code of the copy')")
    assert copy.run("python", "-m", "stages.check", ok=False).splitlines()[-1] == "the code of the copy"

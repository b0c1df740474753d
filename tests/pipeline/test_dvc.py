"""What DVC reruns, restores and compares: real runs, since `--dry` misreports what follows a change.

The tests build on each other's cache, so they share one repository and run in this order.
"""

import json
import sys
from pathlib import Path

import yaml
from repository import Repo, executed

TINY_CHECKPOINT = Path(__file__).parents[1] / "sr/seesr/tiny_checkpoint.py"

AFTER_SR = {"weights", "upscale", "assess", "train", "predict", "evaluate", "explain"}
AFTER_BACKBONE = {"train", "predict", "evaluate", "explain"}


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
    repo.dvc("plots", "show", "--out", "plots_html")


def test_an_unselected_section_reruns_nothing(repo: Repo) -> None:
    repo.set(upscalers={"srresnet": {"batch_size": 3}}, datasets={"examples": {"reflectance_max": 1999}})
    assert repo.repro() == set()
    repo.run("git", "checkout", "-q", "params.yaml")


def test_flipping_the_backbone_keeps_the_upscaled_patches(repo: Repo) -> None:
    repo.set(backbone="resnet34")
    assert repo.repro() == AFTER_BACKBONE


def test_flipping_sr_keeps_the_ingested_patches(repo: Repo) -> None:
    repo.set(backbone="resnet18", sr="bicubic")
    assert repo.repro() == AFTER_SR


def test_metrics_diff_shows_the_difference(repo: Repo) -> None:
    differences = json.loads(repo.dvc("metrics", "diff", "--json"))
    assert differences["metrics/upscaling.json"] or differences["metrics/test.json"]
    assert "metrics/test.json" in repo.dvc("metrics", "diff", "--all")


def test_flipping_back_runs_nothing(repo: Repo) -> None:
    before = (repo.folder / "dvc.lock").read_text()
    repo.set(sr="none")
    assert repo.repro() == set()
    assert (repo.folder / "dvc.lock").read_text() != before
    assert repo.run("git", "diff", "--stat", "dvc.lock", "metrics", "plots") == ""
    repo.run("git", "checkout", "-q", "params.yaml")


def test_an_experiment_changes_sr_and_backbone(repo: Repo) -> None:
    output = repo.dvc("exp", "run", "--name", "wider", "-S", "sr=bicubic", "-S", "backbone=resnet34")
    assert executed(output) == AFTER_BACKBONE  # bicubic's patches come out of the run-cache
    values = yaml.safe_load((repo.folder / "params.yaml").read_text())
    assert (values["sr"], values["backbone"]) == ("bicubic", "resnet34")
    assert "wider" in repo.dvc("exp", "show", "--csv")
    repo.run("git", "checkout", "-q", ".")
    assert repo.repro() == set()


def test_a_wrong_name_is_refused(repo: Repo) -> None:
    assert "sr/typo" in repo.dvc("exp", "run", "-S", "sr=typo", ok=False)
    repo.run("git", "checkout", "-q", ".")


def test_flipping_to_seesr_runs_it_to_its_explanation(repo: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    repo.run(sys.executable, str(TINY_CHECKPOINT), str(folder))
    quick = {"steps": 1, "precision": "fp32", "process_size": 480, "tile": 16, "tile_overlap": 0}
    repo.set(sr="seesr", upscalers={"seesr": {"weights": str(folder), **quick}})
    assert repo.repro() == AFTER_SR
    upscaling = json.loads((repo.folder / "metrics/upscaling.json").read_text())
    assert (upscaling["sr"], upscaling["scale"]) == ("seesr", 4)
    repo.run("git", "checkout", "-q", ".")
    assert repo.repro() == set()


def test_a_forced_run_gives_an_identical_lock(repo: Repo) -> None:
    before = (repo.folder / "dvc.lock").read_bytes()
    assert len(repo.repro("-f")) == 10
    assert (repo.folder / "dvc.lock").read_bytes() == before

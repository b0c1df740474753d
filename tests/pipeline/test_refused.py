"""A wrong value anywhere in params.yaml ends any run before a heavy stage starts, and says what is known."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.repository import ROOT, Repo, executed, make_repo


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A repository in which nothing ran yet."""
    return make_repo(tmp_path_factory.mktemp("refused") / "srscene")


WRONG = {
    "backbone=resnet51": "backbone: timm knows no 'resnet51'; did you mean 'resnet50'?",
    "classifier.epochs=0": "classifier.epochs: Input should be greater than 0, found 0",
    "+clasifier.epochs=3": "clasifier: no such parameter; did you mean 'classifier'?",
}


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_value_ends_the_run_at_once(repo: Repo, override: str) -> None:
    repo.run("git", "checkout", "-q", ".")
    started = time.monotonic()
    output = repo.dvc("exp", "run", "-S", override, ok=False)
    assert time.monotonic() - started < 30  # 5 to 8 s on two free cores
    assert WRONG[override] in output
    assert executed(output) == {"check"}


def test_a_wrong_upscaler_is_refused_with_the_nearest(repo: Repo) -> None:
    repo.run("git", "checkout", "-q", ".")
    repo.set(sr="srresnett")
    done = repo.run(sys.executable, "-m", "srscene.cli", "check", ok=False)
    assert "sr: there is no 'srresnett'; did you mean 'srresnet'? known: bicubic, hat, none" in done
    repo.dvc("repro", ok=False)
    repo.run("git", "checkout", "-q", ".")


def test_what_is_committed_is_sound(repo: Repo) -> None:
    repo.run("git", "checkout", "-q", ".")
    output = repo.run(sys.executable, "-m", "srscene.cli", "check")
    assert output == "params.yaml is sound: dataset synthetic, sr none, backbone resnet18, seed 0\n"


def srscene(folder: Path, path: str) -> str:
    environment = {"PATH": path, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "srscene.cli", "check"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_a_hint_for_each_wrong_place(tmp_path: Path) -> None:
    tools = str(Path(sys.executable).parent)
    assert "no dvc.yaml here or above; go into your clone" in srscene(tmp_path, tools)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    assert "no .git here (a downloaded zip?)" in srscene(tmp_path, tools)
    (tmp_path / ".git").mkdir()
    (tmp_path / "stages").mkdir()
    assert "run from the top of the repository: cd .." in srscene(tmp_path / "stages", tools)
    assert "source .venv/bin/activate" in srscene(tmp_path, "/nowhere")


def test_a_python_without_the_packages_is_told_which_one_it_is(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "stages", tmp_path / "stages")
    done = subprocess.run(
        [sys.executable, "-S", "-m", "stages.check"],
        cwd=tmp_path, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "run `source .venv/bin/activate`, or `make env` first" in done.stderr

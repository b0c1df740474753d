"""make same, on a real repository of two stages: what it accepts, and what it names."""

import sys
from pathlib import Path

import pytest

from dev.same import SMALL, is_code, merged
from tests.options import PARAMS
from tests.pipeline.repository import ROOT, Repo

DVC_YAML = """
stages:
  first:
    cmd: python stages/first.py
    deps: [stages/first.py, src/lib.py]
    params: [seed]
    outs: [data/first.txt]
  second:
    cmd: python stages/second.py
    deps: [stages/second.py, data/first.txt]
    outs: [data/second.txt]
"""
FILES = {
    "dvc.yaml": DVC_YAML,
    "params.yaml": "seed: 1\ndataset: real\n",
    "src/lib.py": "def twice(number):\n    return 2 * number\n",
    "stages/first.py": "from lib import twice\nopen('data/first.txt', 'w').write(str(twice(4)))\n",
    "stages/second.py": "open('data/second.txt', 'w').write(open('data/first.txt').read() + '!')\n",
    "data/.gitignore": "/first.txt\n/second.txt\n",
    ".gitignore": "/runs\n__pycache__\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository whose dvc.lock is that of its code."""
    repo = Repo(tmp_path / "repo")
    for name, text in FILES.items():
        (repo.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (repo.folder / name).write_text(text)
    repo.run("git", "init", "-q", "-b", "main")
    repo.dvc("init", "-q")
    repo.repro()
    repo.commit("Results")
    return repo


def same(repo: Repo, ok: bool = True) -> str:
    repo.environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'src'}"
    return repo.run(sys.executable, "-m", "dev.same", ok=ok)


def edit(repo: Repo, name: str, old: str, new: str) -> None:
    text = (repo.folder / name).read_text()
    (repo.folder / name).write_text(text.replace(old, new))
    repo.commit("An edit")


def test_edits_that_change_no_byte_are_accepted_and_others_named(repo: Repo) -> None:
    edit(repo, "src/lib.py", "2 * number", "number + number")
    assert "code accepted in dvc.lock: first" in same(repo)
    assert repo.repro() == set()
    repo.commit("dvc.lock of the code as it is")
    assert "code accepted in dvc.lock: none" in same(repo)

    lock = (repo.folder / "dvc.lock").read_text()
    edit(repo, "stages/second.py", "'!'", "'?'")
    assert "other results than those of" in (said := same(repo, ok=False))
    assert said.splitlines()[-1].endswith(": second; run `dvc repro`")
    assert (repo.folder / "dvc.lock").read_text() == lock
    assert repo.run("git", "worktree", "list").count("\n") == 1

    (repo.folder / "src/lib.py").write_text("def twice(number):\n    return 3 * number\n")
    assert "only what is committed can be compared" in same(repo, ok=False)


@pytest.mark.parametrize(
    "change",
    [
        {"changed deps": {"src/a.py": "modified", "data/patches": "modified"}},
        {"changed deps": {"src/a.py": "new"}},
        {"changed deps": {"params.yaml": {"seed": "modified"}}},
        {"changed outs": {"data/a": "deleted"}},
        "changed command",
        {},
    ],
)
def test_what_is_more_than_an_edit_to_the_code(change: object) -> None:
    assert not is_code(change)


def test_the_small_run_sets_only_what_there_is() -> None:
    small = merged(PARAMS, SMALL)
    assert small["sr"] == PARAMS["sr"]
    assert small["datasets"]["synthetic"]["train"] == 6
    assert merged({"seed": 1, "dataset": "real"}, SMALL) == {"seed": 1, "dataset": "synthetic"}
    assert names(SMALL) <= names(PARAMS)  # none of it is a name of yesterday


def names(values: object, above: str = "") -> set[str]:
    """The dotted names of all parameters and sections."""
    if not isinstance(values, dict):
        return {above}
    return {above}.union(*(names(value, f"{above}.{key}") for key, value in values.items()))

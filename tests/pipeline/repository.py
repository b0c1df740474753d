"""A real git and DVC repository of this checkout's files, on a data set of a few patches."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srscene.runtime.params import parse
from tests.options import merged, written

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable).parent
RESULTS = ("dvc.lock", "metrics/", "plots/")  # of the default run: not those of this one

TINY = {
    "sr": "none",
    "backbone": "resnet18",
    "datasets": {"synthetic": {"train": 6, "val": 3, "test": 3}},
    "classifier": {"epochs": 1, "batch_size": 3, "precision": "fp32", "crop": 0.2},
    "evaluate": {"resamples": 100},
    "explain": {"patches": 2},
}
FIT = {"features": 8, "blocks": 1, "steps": 2, "batch_size": 1, "precision": "fp32"}
FITTED = {
    "sr": "srresnet",
    "upscalers": {"srresnet": {"weights": {"fit": FIT}, "upscale": {"precision": "fp32"}}},
}
"""On top of TINY: an upscaler that is fitted, in seconds."""


class Repo:
    """A repository under `folder`, driven by the command line as a user would.

    `python` is a folder that comes first in PATH, with the `python` that runs the stages.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str] | None = None, python: Path = PYTHON
    ) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(python), str(PYTHON), os.environ["PATH"]]),
            "PYTHONPATH": str(folder / "src"),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(folder.parent / "site-cache"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "tests" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            **(environment or {}),
        }

    def run(self, *command: str, ok: bool = True) -> str:
        """Run a command and return all it printed; fails the test when its status is not as expected."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        output = done.stdout + done.stderr
        assert (done.returncode == 0) == ok, f"{' '.join(command)}: status {done.returncode}\n{output}"
        return output

    def dvc(self, *arguments: str, ok: bool = True) -> str:
        return self.run("dvc", *arguments, ok=ok)

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def repro(self, *arguments: str) -> set[str]:
        """Run `dvc repro` and return the stages whose command was executed."""
        return executed(self.dvc("repro", *arguments))

    def set(self, **values: Any) -> None:
        """Change params.yaml; a mapping is merged into what is there."""
        file = self.folder / "params.yaml"
        file.write_text(written(merged(parse(file.read_bytes()), values)))

    def clone(self, folder: Path) -> "Repo":
        self.run("git", "clone", "-q", str(self.folder), str(folder))
        return Repo(folder)


def executed(output: str) -> set[str]:
    """The stages that DVC says it ran; one restored from the run-cache is not among them."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")}


def make_repo(folder: Path, python: Path = PYTHON) -> Repo:
    """Copy this checkout's files, without the default run's results, into a new repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith((*RESULTS, "tests/", "dev/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    repo = Repo(folder, python=python)
    repo.run("git", "init", "-q", "-b", "main")
    repo.set(**TINY)
    repo.dvc("remote", "modify", "storage", "url", str(folder.parent / "storage"))
    repo.commit("A few patches")
    return repo

"""A folder in which the stages `weights` and `upscale` run, alone or in the processes of a launcher."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.options import PARAMS, merged, written

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""Within which processes end, or wait for each other for ever."""


class Ended(NamedTuple):
    """Exit status, standard output and errors of a process."""

    status: int
    said: str
    errors: str

    @property
    def words(self) -> list[str]:
        """Its own error lines, without the launcher's."""
        return [line for line in self.errors.splitlines() if line.startswith("error: ")]


class Place:
    """A repository's folder: params.yaml, dvc.yaml and the stages' scripts, data/ and models/."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.folder = folder
        (folder / "models/upscaler").mkdir(parents=True)
        (folder / "params.yaml").write_text(written(merged(PARAMS, changes)))
        shutil.copy(ROOT / "dvc.yaml", folder)
        shutil.copytree(ROOT / "stages", folder / "stages")
        self.environment = {
            name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")
        } | {"DVC_ROOT": str(folder), "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}

    def torchrun(self, stage: str, world: int) -> Ended:
        """Run a stage as `SRSCENE_LAUNCH="torchrun …"` in dvc.yaml does."""
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}", "--no-python"]
        return end(self._start([*launch, sys.executable, "-m", f"stages.{stage}"], {}))

    def alone(self, stage: str) -> Ended:
        return end(self.start(stage))

    def start(self, stage: str, more: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start a stage in a process of its own, with further environment variables."""
        return self._start(["-m", f"stages.{stage}"], more or {})

    def _start(self, arguments: list[str], more: Mapping[str, str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env=self.environment | dict(more), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def outs(self, of: str) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (self.folder / of).iterdir()}


def end(process: "subprocess.Popen[str]") -> Ended:
    try:
        said, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return Ended(process.returncode, said, errors)

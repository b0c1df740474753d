"""A folder in which the stages `weights` and `upscale` run, alone or in the processes of a launcher."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from srscene.core.writer import SHARD_BYTES
from tests.options import PARAMS, merged, written
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""Within which processes end, or wait for each other for ever."""

STAGE = """
import sys
from importlib import import_module
from srscene.core import writer as shard_writer
from srscene.runtime.console import run_stage
shard_writer.SHARD_BYTES, shard_writer.CHECKPOINT_SECONDS = int(sys.argv[2]), float(sys.argv[3])
run_stage(import_module(f"stages.{sys.argv[1]}").main)
"""


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
    """A repository's folder, but for its code: params.yaml, data/ and models/."""

    def __init__(
        self, folder: Path, shard_bytes: int = SHARD_BYTES, checkpoint_seconds: float = 30, **changes: object
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "models/upscaler").mkdir(parents=True)
        (folder / "params.yaml").write_text(written(merged(PARAMS, changes)))
        paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        self.environment = {
            name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")
        } | {"DVC_ROOT": str(folder), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        self.numbers = [str(shard_bytes), str(checkpoint_seconds)]

    def torchrun(self, stage: str, world: int) -> Ended:
        """Run a stage as `SRSCENE_LAUNCH="torchrun …"` in dvc.yaml does."""
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}", "--no-python"]
        process = self._start([*launch, sys.executable, "-c", STAGE, stage, *self.numbers], {})
        return end(process)

    def alone(self, stage: str) -> Ended:
        return end(self.start(stage))

    def srun(self, stage: str, world: int) -> list["subprocess.Popen[str]"]:
        """Start a stage in several processes that have Slurm's variables, and no other launcher."""
        group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        return [
            self.start(
                stage,
                group
                | {
                    "SLURM_PROCID": str(rank),
                    "SLURM_LOCALID": str(rank),
                    "SLURM_STEP_NUM_TASKS": str(world),
                    "SLURM_NTASKS": str(world),
                },
            )
            for rank in range(world)
        ]

    def start(self, stage: str, more: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        return self._start(["-c", STAGE, stage, *self.numbers], more or {})

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

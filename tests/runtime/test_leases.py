"""GPU leases with real processes and real locks; the devices are names, as UUIDs are."""

import subprocess
import sys
from pathlib import Path

import pytest

from srscene.runtime import leases
from srscene.runtime.console import BadInput

TAKE = """
import sys
from pathlib import Path
from srscene.runtime.leases import take
lease = take(sys.argv[1], sys.argv[3:], Path(sys.argv[2]))
print(lease.index, flush=True)
sys.stdin.read()
"""


class Stage:
    """A process that takes one of the devices `visible`, and keeps it until it is told to end."""

    def __init__(self, name: str, folder: Path, *visible: str) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", TAKE, name, str(folder), *visible]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


def test_each_stage_takes_the_first_free_device_and_waits_where_there_is_none(tmp_path: Path) -> None:
    first = Stage("train", tmp_path, "a", "b")
    assert first.line() == "0"
    second = Stage("train", tmp_path, "a", "b")
    assert second.line() == "1"
    third = Stage("upscale", tmp_path, "a", "b")
    said = "upscale: all 2 GPUs are taken by other stages; waiting for a free one"
    assert third.line() == f"{said} ({tmp_path})"
    first.process.kill()  # the system lets go of its lock
    assert third.line() == "0"
    for stage in (first, second, third):
        stage.process.communicate()
    assert [stage.process.returncode for stage in (second, third)] == [0, 0]


def test_a_device_is_the_same_whatever_its_number(tmp_path: Path) -> None:
    """CUDA_VISIBLE_DEVICES gives one process a and b, another b and c."""
    held = [leases.take("train", ["a", "b"], tmp_path), leases.take("train", ["b", "c"], tmp_path)]
    assert [lease.index for lease in held] == [0, 0]
    assert leases.take("train", ["a", "b", "c"], tmp_path).index == 2
    held[1].release()
    assert leases.take("train", ["a", "b", "c"], tmp_path).index == 1


def test_locks_lie_in_the_users_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases.tempfile, "tempdir", str(tmp_path))
    folder = leases.own_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert leases.own_folder() == folder
    folder.rmdir()
    folder.symlink_to("/")  # another's, where only root may write
    monkeypatch.setattr(leases.os, "getuid", lambda: 12345)
    (tmp_path / "srscene-12345").symlink_to(tmp_path)
    with pytest.raises(BadInput, match=r"srscene-12345: belongs to user \d+, expected 12345"):
        leases.own_folder()

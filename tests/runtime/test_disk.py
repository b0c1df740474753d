"""A disk that is too small, as a limit on the size of a process's files makes it."""

import resource
import subprocess
import sys

import pytest

from srscene.runtime.console import BadInput
from srscene.runtime.files import is_full, need, size

WRITERS = {
    "bytes": "path.write_bytes(bytes(200_000))",
    "torch": "import torch; file = path.open('wb'); torch.save(torch.zeros(50_000), file)",
    "safetensors": "import torch; from safetensors.torch import save_file; "
    "save_file({'a': torch.zeros(50_000)}, path)",
    "reserve": "from srscene.runtime.files import reserve; reserve(path, 200_000)",
    "figure": "from matplotlib import pyplot; import numpy; "
    "pyplot.imsave(path, numpy.random.default_rng(0).random((400, 400, 3)), format='png')",
}
PROGRAM = """
from pathlib import Path
from srscene.runtime.console import run_stage
from srscene.runtime.files import whole_file

def main():
    with whole_file(Path("out")) as path:
        {writer}

run_stage(main)
"""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


@pytest.mark.parametrize("library", WRITERS)
def test_a_full_disk_is_one_line_whatever_writes(tmp_path, library):
    (tmp_path / "out").write_text("old")
    program = PROGRAM.format(writer=WRITERS[library])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, preexec_fn=limited, capture_output=True, text=True
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert lines[-1].startswith("error: out.tmp: the disk is full (")
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "old"


def test_more_than_there_is_room_for_is_said_before(tmp_path):
    need(tmp_path / "not" / "there", 1, "a store")
    with pytest.raises(BadInput, match=r"out: a store needs 1\.153e\+06 TB on this disk \(/.*free\)"):
        need(tmp_path / "out", 1 << 60, "a store")


def test_other_errors_are_no_full_disk():
    assert not is_full(OSError(5, "Input/output error"))
    assert is_full(OSError(28, "No space left on device"))
    outer = RuntimeError("could not write")
    outer.__cause__ = OSError(28, "No space left on device")
    assert is_full(outer)


def test_sizes_in_words():
    assert [size(n) for n in (0, 999, 43_200, 1_500_000, 359e9, 2.2e12)] == [
        "0 bytes", "999 bytes", "43.2 kB", "1.5 MB", "359 GB", "2.2 TB",
    ]  # fmt: skip

"""What a stage says when it ends early: one line and a status, no traceback."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from srscene.runtime.console import BadInput, run_stage, say

WITH_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
os.execv(sys.executable, [sys.executable, "-m", "stages.sleeper"])
"""
SLEEPER = """
import time
from srscene.runtime.console import run_stage, say

def main():
    say("at work")
    time.sleep(60)

run_stage(main)
"""
IMPORTER = """
import time, weakref

class Module:
    pass

def importing(_):
    print("at work", flush=True)
    time.sleep(60)

module = Module()
watch = weakref.ref(module, importing)
del module  # what is raised in its callback is ignored
"""
STAGES = Path(__file__).parents[2] / "stages"


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise BadInput("params.yaml: sr: 'typo' is no upscaler")

    with pytest.raises(SystemExit, match=r"^error: params\.yaml: sr: 'typo' is no upscaler$"):
        run_stage(main)


def test_what_comes_from_outside_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\x1b[31m\nb\r\x07\u202e" + "long " * 1000
    error = str(BadInput(hostile))
    assert error.startswith("a?[31m b")
    assert error.isprintable()
    assert len(error) == 1500
    say(hostile)
    assert capsys.readouterr().out == f"{error}\n"


def test_a_full_memory_is_one_line() -> None:
    def main() -> None:
        bytearray(1 << 62)

    with pytest.raises(SystemExit, match=r"^error: the machine's memory is full; "):
        run_stage(main)


def stopped(folder: Path, module: str) -> tuple[int, str, str]:
    """Send Ctrl-C to a stage of this text once it is at work; return its status, output and errors."""
    (folder / "stages").mkdir()
    (folder / "stages/__init__.py").write_text((STAGES / "__init__.py").read_text())
    (folder / "stages/sleeper.py").write_text(module)
    stage = subprocess.Popen(
        [sys.executable, "-c", WITH_CTRL_C],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert stage.stdout
    assert stage.stdout.readline() == "at work\n"
    stage.send_signal(signal.SIGINT)
    out, errors = stage.communicate(timeout=30)
    return stage.returncode, out, errors


def test_ctrl_c_among_the_imports_is_not_lost(tmp_path: Path) -> None:
    assert stopped(tmp_path, IMPORTER) == (-signal.SIGINT, "", "")


def test_ctrl_c_is_one_line(tmp_path: Path) -> None:
    status, out, errors = stopped(tmp_path, SLEEPER)
    assert out.startswith("stopped; ")
    assert out.count("\n") == 1
    assert errors == ""
    assert status == 130

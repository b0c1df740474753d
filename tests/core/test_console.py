"""What a stage says when it ends early: one line and a status, no traceback."""

import signal
import subprocess
import sys

import pytest

from srscene.core.console import BadInput, run_stage, say

SLEEPER = """
import signal, time
from srscene.core.console import run_stage, say

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

def main():
    say("at work")
    time.sleep(60)

run_stage(main)
"""


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


def test_ctrl_c_is_one_line() -> None:
    stage = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert stage.stdout
    assert stage.stdout.readline() == "at work\n"
    stage.send_signal(signal.SIGINT)
    out, errors = stage.communicate(timeout=30)
    assert out.startswith("stopped; ")
    assert out.count("\n") == 1
    assert errors == ""
    assert stage.returncode == 130

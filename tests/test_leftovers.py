"""`srscene scratch`: what waits in .scratch, and away with it on request only."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from srscene.cli import app
from srscene.leftovers import DONE, IN_USE, UNFINISHED, leftovers, with_keys
from srscene.runtime.console import BadInput
from srscene.runtime.parts import claimed

HOLD = """
import sys
from srscene.runtime.parts import claimed
with claimed("weights", "held"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")


def scratch(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["scratch", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Path]:
    """Unfinished, finished, and in another process's use."""
    with pytest.raises(KeyboardInterrupt), claimed("upscale", "killed") as folder:  # noqa: PT012
        (folder / "shard.part").write_bytes(bytes(12_000))
        raise KeyboardInterrupt
    pipe = subprocess.PIPE
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdin=pipe, stdout=pipe, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with claimed("train", "done"):
        pass
    yield tmp_path / ".scratch"
    holder.communicate("")


def test_nothing_is_said_to_be_nothing(tmp_path: Path) -> None:
    assert "no work in .scratch" in scratch()
    assert not (tmp_path / ".scratch").exists()


def test_states_sizes_and_total(three: Path) -> None:
    states = {work.folder.name: work.state for work in leftovers()}
    assert states == {"killed": UNFINISHED, "done": DONE, "held": IN_USE}
    assert {work.folder.name: work.bytes for work in leftovers()}["killed"] == 12_000
    shown = scratch()
    for part in ("upscale", "killed", "12 kB", UNFINISHED, DONE, IN_USE, "total: 12 kB"):
        assert part in shown
    assert {folder.name for folder in three.glob("*/*") if folder.is_dir()} == set(states)


def test_what_is_asked_for_goes_but_nothing_in_use(three: Path) -> None:
    assert "removed upscale killed, 12 kB" in scratch("--remove", "killed")
    assert {work.folder.name for work in leftovers()} == {"done", "held"}
    said = scratch("--remove-all")
    assert "removed train done" in said
    assert "left weights held: in use" in said
    assert [work.folder.name for work in leftovers()] == ["held"]


def test_an_unknown_key_is_one_line_and_nothing_goes(three: Path) -> None:
    with pytest.raises(BadInput, match=r"no work nothing; `srscene scratch` lists"):
        scratch("--remove", "killed", "--remove", "nothing")
    assert len(leftovers()) == 3
    assert [work.folder.name for work in with_keys(leftovers(), ["held"])] == ["held"]

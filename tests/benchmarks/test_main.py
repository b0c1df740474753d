"""One command measures what it can, in the time that it has, and loses nothing that it has measured."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import benchmarks
from benchmarks import __main__ as command

ROW = "yield Row('toys', 'before', 42, 'toys/s')"
Add = Callable[[str, str], None]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    """Adds a topic: its name, which must be new to the process, and the body of its `run`."""
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])

    def add(name: str, body: str) -> None:
        head = "import time\nfrom benchmarks.common import Row\n\ndef run(quick):\n"
        (tmp_path / f"{name}.py").write_text(f"{head}    {body}\n")

    return add


def test_a_topic_that_fails_keeps_its_rows_and_the_next_one_is_measured(
    add: Add, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add("toy_fails", f"{ROW}; raise RuntimeError('CUDA out of memory.\\nTried to allocate')")
    add("toy_works", "return [Row('toys', 'after', 43, 'toys/s')]")
    monkeypatch.setattr(command, "TOPICS", ("toy_fails", "toy_works"))
    with pytest.raises(typer.Exit) as ended:
        command.main()
    assert ended.value.exit_code == 1
    lines = capsys.readouterr().out.splitlines()
    said = "toy_fails: failed (RuntimeError: CUDA out of memory. Tried to allocate)"
    found = [lines.index(line) for line in (said, "| toys | before | 42 | toys/s |  |")]
    assert found == sorted(found)
    assert "| toys | after | 43 | toys/s |  |" in lines[found[1] :]


def test_a_topic_ends_with_the_budget_whatever_it_does(
    add: Add, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lenient = "\n    try: time.sleep(60)\n    except Exception: pass\n    yield Row('toys', 'late', 1, 's')"
    add("toy_sleeps", ROW + lenient)
    add("toy_waits", "raise AssertionError")
    monkeypatch.setattr(command, "TOPICS", ("toy_sleeps", "toy_waits"))
    began = time.monotonic()
    command.main(budget=1)
    assert time.monotonic() - began < 30
    out = capsys.readouterr().out
    assert "| toys | before |" in out
    assert "late" not in out
    for topic in ("toy_sleeps", "toy_waits"):
        assert f"{topic}: the budget is used up; for all of it: python -m benchmarks {topic} --budget" in out


def test_an_unknown_topic_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="no topic upscalin; choose from ingest, upscaling"):
        command.main(["upscalin"])

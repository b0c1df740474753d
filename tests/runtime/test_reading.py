"""Files from outside: what they are called, how large they may be, what a reader may raise."""

import os
from pathlib import Path

import pytest

from srscene.runtime.console import BadInput
from srscene.runtime.reading import read_bytes, read_text, reading, what_it_is


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "an empty file"),
        (b"\0" * 600, "nothing but zeros"),
        (b"\n<!DOCTYPE HTML><title>404</title>", "an HTML page"),
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a git-lfs pointer"),
        (b"PK\x03\x04", ""),
    ],
)
def test_a_file_that_is_something_else_is_called_by_its_name(tmp_path, content, name):
    (tmp_path / "file").write_bytes(content)
    found = what_it_is(tmp_path / "file")
    assert found.startswith(name)
    assert bool(found) == bool(name)


@pytest.mark.parametrize(
    "error", [ValueError("bad\nbytes"), MemoryError(), RecursionError("deep"), KeyError("x"), OSError(5, "E")]
)
def test_whatever_a_reader_raises_becomes_one_line(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"something")
    message = r"file: damaged \(.+\); expected a list; get it again"
    with pytest.raises(BadInput, match=message) as caught, reading(path, "a list", "get it again"):
        raise error
    assert str(caught.value).isprintable()


def test_the_reason_is_what_the_file_is(tmp_path):
    with (
        pytest.raises(BadInput, match="nothing: not there; expected a list; make it"),
        reading(tmp_path / "nothing", "a list", "make it"),
    ):
        raise FileNotFoundError
    with pytest.raises(BadInput, match=": a folder, expected a file"):
        read_text(tmp_path, 10, "a list", "make it")


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="pipe: a named pipe, expected a file"):
        read_bytes(tmp_path / "pipe", 10)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(BadInput, match=r"zeros: 1\.1 TB, expected at most 10 bytes"):
        read_bytes(tmp_path / "zeros", 10)


def test_text(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf\xc3\xa9")
    assert read_text(tmp_path / "a", 10, "text", "mend it") == "é"
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"a: damaged \('utf-8' codec"):
        read_text(tmp_path / "a", 10, "text", "mend it")


def test_a_mistake_of_ours_stays_what_it_is(tmp_path, monkeypatch):
    """Else a NameError would tell the user to download a sound file again."""
    from srscene.runtime import reading as module

    monkeypatch.setattr(module, "PACKAGE", Path(__file__).parent)
    file = tmp_path / "sound"
    file.write_text("sound")
    with pytest.raises(NameError), reading(file, "text", "get it again"):
        undefined  # noqa: B018, F821


def test_the_same_error_of_a_library_is_damage(tmp_path):
    file = tmp_path / "damaged"
    file.write_text("damaged")
    with pytest.raises(BadInput, match="damaged: damaged"), reading(file, "a checkpoint", "get it again"):
        Path.cwd().no_such_attribute.read_text()

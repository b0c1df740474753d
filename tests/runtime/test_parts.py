import signal
import subprocess
import sys

import pytest

from srscene.runtime.parts import (
    NOTES,
    claimed,
    clean,
    folders,
    kept,
    piece,
    publish,
    remove,
    work_folder,
)


def test_unfinished_work_lies_in_the_repository_that_dvc_was_started_in(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = work_folder("upscale", "0123")
    assert folder == tmp_path / ".scratch" / "upscale" / "0123"
    (folder / "shard").touch()
    assert (work_folder("upscale", "0123") / "shard").exists()  # asking again keeps it
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(tmp_path)
    assert (work_folder("upscale", "0123") / "shard").exists()


def test_publish_replaces_the_out_and_keeps_the_pieces(tmp_path):
    work, out = tmp_path / "work", tmp_path / "data" / "out"
    work.mkdir()
    for turn in ("old", "new"):
        (work / turn).write_text(turn)
        publish([work / turn], out)
        assert [path.name for path in out.iterdir()] == [turn]
        assert (work / turn).samefile(out / turn)


HOLD = """
import sys, time
from srscene.runtime.parts import claimed
with claimed("upscale", "0123") as folder:
    print("mine", flush=True)
    time.sleep(60)
"""


WAIT = """
from srscene.runtime.parts import claimed, kept
with claimed("upscale", "0123") as folder:
    print(kept(folder / "shard"), flush=True)
"""


def test_the_second_process_waits_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    other = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "mine\n"
    waiting = subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout is not None
    assert "another process does the same work" in waiting.stdout.readline()
    other.kill()  # a lock goes with its process, however that ends
    other.communicate()
    assert waiting.communicate(timeout=60)[0] == "False\n"
    assert waiting.returncode == 0


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def write_piece(path, text):
    with piece(path) as temporary:
        temporary.write_text(text)


def test_a_piece_counts_as_long_as_it_is_as_it_was_written(tmp_path):
    path = tmp_path / "checkpoint.pt"
    assert not kept(path)
    for text in ("one", "two"):
        write_piece(path, text)
        assert kept(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [NOTES, path.name]
    checked = subprocess.run(["sha256sum", "-c", NOTES], cwd=tmp_path, capture_output=True, text=True)
    assert checked.stdout.splitlines() == ["checkpoint.pt: FAILED", "checkpoint.pt: OK"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "folder", "no note", "folder of notes", "link"])
def test_a_damaged_piece_is_dropped_in_a_line(tmp_path, capsys, damage):
    path, notes = tmp_path / "shard.h5", tmp_path / NOTES
    write_piece(path, "content")
    if damage == "folder":
        path.unlink()
        path.mkdir()
        (path / "file").touch()
    elif damage == "no note":
        notes.unlink()
    elif damage == "folder of notes":
        notes.unlink()
        notes.mkdir()
    elif damage == "link":
        path.unlink()
        path.symlink_to(path)  # to itself: a loop
    else:
        path.write_text({"flip": "contemt", "cut": "cont", "empty": ""}[damage])
    assert not kept(path)
    assert capsys.readouterr().out.endswith(
        "shard.h5: not as it was written (damaged?), so it is made again\n"
    )
    assert not path.exists()
    write_piece(path, "again")
    assert kept(path)


def test_a_kill_between_note_and_name_leaves_the_former_piece(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_piece(path, "first")
    with (tmp_path / NOTES).open("a") as notes:
        notes.write(f"{'0' * 64}  checkpoint.pt\n0123")  # the next one's, and half of another line
    assert kept(path)
    write_piece(path, "second")
    assert kept(path)


def test_finished_work_stays_until_another_begins(place):
    with claimed("upscale", "one") as folder:
        write_piece(folder / "shard", "content")
    with claimed("upscale", "one") as folder:  # DVC was killed before it recorded the stage
        assert kept(folder / "shard")
    with pytest.raises(RuntimeError), claimed("train", "two") as folder:  # noqa: PT012
        write_piece(folder / "checkpoint", "content")
        raise RuntimeError
    assert [folder.name for folder in folders()] == ["two"]
    clean()
    assert [folder.name for folder in folders()] == ["two"]  # unfinished: only on request
    assert remove(folder)
    assert list((place / ".scratch" / "train").iterdir()) == []


def test_work_that_a_process_has_is_not_removed(place):
    other = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "mine\n"
    (folder,) = folders()
    (folder / "finished").touch()
    clean()
    assert not remove(folder)
    assert folder.is_dir()
    other.kill()
    other.wait()
    clean()
    assert list(folders()) == []


def test_finished_work_stays_for_who_waits_for_it(place):
    """The one who waits is stopped, so that its next look comes late."""
    with claimed("upscale", "0123") as folder:
        write_piece(folder / "shard", "content")
        waiting = subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert "another process does the same work" in waiting.stdout.readline()
        waiting.send_signal(signal.SIGSTOP)
    with claimed("train", "of another worker"):
        pass
    assert not remove(folder)
    waiting.send_signal(signal.SIGCONT)
    assert waiting.communicate(timeout=60)[0] == "True\n"
    clean()
    assert list((place / ".scratch" / "upscale").iterdir()) == []

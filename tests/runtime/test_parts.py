import shutil
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from srscene.runtime.parts import (
    claim,
    claimed,
    clean,
    folders,
    kept,
    locked,
    piece,
    publish,
    remove,
)


def test_work_lies_in_the_repository_that_dvc_was_started_in(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with claimed("upscale", "0123") as folder:
        assert folder == tmp_path / ".scratch" / "upscale" / "0123"
        (folder / "shard").touch()
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(tmp_path)
    with claimed("upscale", "0123") as folder:
        assert (folder / "shard").exists()


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
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, f"{path.name}.sha256"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "folder", "no note", "folder of notes", "link"])
def test_a_damaged_piece_is_dropped_in_a_line(tmp_path, capsys, damage):
    path, notes = tmp_path / "shard.h5", tmp_path / "shard.h5.sha256"
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
    shutil.copy(path, tmp_path / "former")
    write_piece(path, "second")
    (tmp_path / "former").replace(path)  # the note is the second one's
    assert kept(path)
    write_piece(path, "third")
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


WORK = """
import sys, time
from pathlib import Path
from srscene.runtime.parts import claim, piece
for part in claim([Path(f"part-{number}") for number in range(int(sys.argv[1]))]):
    print(part, flush=True)
    time.sleep(float(sys.argv[2]))
    with piece(part) as temporary:
        temporary.write_text(part.name)
"""


def worker(folder, parts, seconds):
    command = [sys.executable, "-c", WORK, str(parts), str(seconds)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_workers_share_the_parts_and_compute_none_twice(tmp_path, count):
    workers = [worker(tmp_path, 12, 0.02) for _ in range(count)]
    computed = [line for each in workers for line in each.communicate(timeout=60)[0].split()]
    assert [each.returncode for each in workers] == [0] * count
    assert sorted(computed) == sorted(f"part-{number}" for number in range(12))
    assert {path.name for path in tmp_path.iterdir() if path.suffix == ""} == set(computed)
    assert not list(tmp_path.glob("*.lock"))


def test_a_part_whose_worker_died_goes_to_another(tmp_path):
    first = worker(tmp_path, 3, 60)
    assert first.stdout.readline() == "part-0\n"
    second = worker(tmp_path, 3, 0.01)
    assert [second.stdout.readline() for _ in range(2)] == ["part-1\n", "part-2\n"]
    assert second.poll() is None  # it waits for the first one's part
    first.kill()
    first.communicate()
    assert second.communicate(timeout=60)[0] == "part-0\n"
    assert second.returncode == 0
    assert all(kept(tmp_path / f"part-{number}") for number in range(3))


def test_a_part_whose_computation_failed_is_free_again(tmp_path):
    parts = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(RuntimeError), closing(claim(parts)) as claims:  # noqa: PT012
        next(claims)
        raise RuntimeError
    assert next(claim(parts)) == parts[0]


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path):
    """A lock on the removed file would keep out no other process."""
    with locked(tmp_path / "lock"):
        (tmp_path / "lock").unlink()
        with locked(tmp_path / "lock", wait=False) as other:
            assert other

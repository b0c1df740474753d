import subprocess
import sys
import time

import pytest

from srscene.core.scratch import claimed, code, fingerprint, publish, work_folder


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "package"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.py").write_bytes(b"a")
    (folder / "deep" / "b.txt").write_bytes(b"b")
    (folder / "c.pyc").write_bytes(b"c")
    return folder


def test_the_same_work_has_the_same_fingerprint(files, tmp_path):
    first = fingerprint({"scale": 4, "name": "hat"}, code(files))
    assert first == fingerprint({"name": "hat", "scale": 4}, code(files))
    assert len(first) == 16
    moved = files.rename(tmp_path / "elsewhere")
    assert first == fingerprint({"scale": 4, "name": "hat"}, code(moved))
    (moved / "c.pyc").unlink()
    assert first == fingerprint({"scale": 4, "name": "hat"}, code(moved))


def test_other_settings_other_bytes_or_other_names_have_another(files):
    settings = {"scale": 4}
    seen = {fingerprint(settings, code(files)), fingerprint({"scale": 2}, code(files)), fingerprint(settings)}
    (files / "a.py").write_bytes(b"x")
    seen.add(fingerprint(settings, code(files)))
    (files / "a.py").rename(files / "c.py")
    seen.add(fingerprint(settings, code(files)))
    (files / "d.py").write_bytes(b"")
    seen.add(fingerprint(settings, code(files)))
    seen.add(fingerprint(settings, code(files / "c.py")))
    assert len(seen) == 7


def test_swapped_contents_have_another_fingerprint(files):
    before = fingerprint(None, code(files))
    (files / "a.py").write_bytes(b"b")
    (files / "deep" / "b.txt").write_bytes(b"a")
    assert fingerprint(None, code(files)) != before


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
from srscene.core.scratch import claimed
with claimed("upscale", "0123") as folder:
    print("mine", flush=True)
    time.sleep(60)
"""


def test_the_second_process_waits_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    other = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "mine\n"
    started = time.monotonic()
    killer = subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {other.pid}"])
    with claimed("upscale", "0123") as folder:  # a lock goes with its process, however that ends
        assert time.monotonic() - started > 0.5
        assert folder.is_dir()
    assert "another process does the same work" in capsys.readouterr().out
    other.wait()
    killer.wait()

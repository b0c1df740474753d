import pytest

from srscene.scratch import fingerprint, publish, scratch


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "inputs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.h5").write_bytes(b"a")
    (folder / "deep" / "b.h5").write_bytes(b"b")
    return folder


def test_the_same_work_has_the_same_fingerprint(inputs, tmp_path):
    first = fingerprint({"scale": 4, "name": "hat"}, [inputs])
    assert first == fingerprint({"name": "hat", "scale": 4}, [inputs])
    assert len(first) == 16
    moved = inputs.rename(tmp_path / "elsewhere")
    assert first == fingerprint({"scale": 4, "name": "hat"}, [moved])


def test_other_settings_other_bytes_or_other_names_have_another(inputs):
    settings = {"scale": 4}
    seen = {fingerprint(settings, [inputs]), fingerprint({"scale": 2}, [inputs]), fingerprint(settings)}
    (inputs / "a.h5").write_bytes(b"x")
    seen.add(fingerprint(settings, [inputs]))
    (inputs / "a.h5").rename(inputs / "c.h5")
    seen.add(fingerprint(settings, [inputs]))
    (inputs / "d.h5").write_bytes(b"")
    seen.add(fingerprint(settings, [inputs]))
    seen.add(fingerprint(settings, [inputs / "c.h5"]))
    assert len(seen) == 7


def test_swapped_contents_have_another_fingerprint(inputs):
    before = fingerprint(None, [inputs])
    (inputs / "a.h5").write_bytes(b"b")
    (inputs / "deep" / "b.h5").write_bytes(b"a")
    assert fingerprint(None, [inputs]) != before


def test_unfinished_work_lies_in_the_repository_that_dvc_was_started_in(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = scratch("upscale", "0123")
    assert folder == tmp_path / ".scratch" / "upscale" / "0123"
    (folder / "shard").touch()
    assert (scratch("upscale", "0123") / "shard").exists()  # asking again keeps it
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(tmp_path)
    assert (scratch("upscale", "0123") / "shard").exists()


def test_publish_replaces_the_out(tmp_path):
    work, out = tmp_path / "work", tmp_path / "data" / "out"
    for turn in ("old", "new"):
        work.mkdir()
        (work / turn).write_text(turn)
        publish(work, out)
        assert [path.name for path in out.iterdir()] == [turn]
        assert not work.exists()

import os

import pytest

from srscene.core.tables import write_csv, write_json
from srscene.runtime.files import sha256, whole_file, whole_folder


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with whole_file(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    with pytest.raises(RuntimeError), whole_file(path) as temporary:  # noqa: PT012
        temporary.write_text("half of the sec")
        raise RuntimeError
    assert path.read_text() == "first"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "folder"
    for name in ("first", "second"):
        with whole_folder(path) as temporary:
            (temporary / name).touch()
        assert os.listdir(path) == [name]
    with pytest.raises(RuntimeError), whole_folder(path) as temporary:
        raise RuntimeError
    assert os.listdir(path) == ["second"]
    assert os.listdir(path.parent) == ["folder"]


def test_what_a_killed_process_left_is_no_part_of_the_next(tmp_path):
    (tmp_path / "folder.tmp").mkdir()
    (tmp_path / "folder.tmp" / "stale").touch()
    with whole_folder(tmp_path / "folder") as temporary:
        (temporary / "fresh").touch()
    assert os.listdir(tmp_path / "folder") == ["fresh"]


def test_json_without_numbers_that_json_lacks(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    assert (tmp_path / "a.json").read_text() == '{\n  "b": 1,\n  "a": "é"\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert "é" in (tmp_path / "a.json").read_text()


def test_csv_lines_end_in_a_line_feed(tmp_path):
    write_csv(tmp_path / "a.csv", ["name", "value"], [["a, b", 1], ["c", None]])
    assert (tmp_path / "a.csv").read_bytes() == b'name,value\n"a, b",1\nc,\n'


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")

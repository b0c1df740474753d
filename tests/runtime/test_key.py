"""Keys follow what is declared, by value and by content; where it lies counts for nothing."""

import shutil
from pathlib import Path

import pytest

from srscene.runtime import key
from srscene.runtime.console import BadInput
from srscene.runtime.key import content, fingerprint, scene_key, stage_key, with_device

PARAMS = "sr: hat\nseed: 0\nupscalers: {hat: {upscale: {scale: 4}, weights: 1}, none: {upscale: 2}}\n"
DECLARED = """
stages:
  upscale:
    cmd: {cmd}
    deps: [data/patches, data/seed.json, stages/a.py, "src/srscene/sr/${{sr}}", src/srscene/run.py]
    params: [sr, "upscalers.${{sr}}.upscale"]
"""


class Tree:
    """A repository's folder and the package that runs, of one file each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder / "here", folder / "installed"
        for file in ("data/patches/a/b.h5", "data/patches/c.h5", "data/seed.json", "stages/a.py", "dvc.yaml"):
            self.write(file, file)
        self.write("params.yaml", PARAMS)
        self.write("dvc.yaml", DECLARED.format(cmd="$SRSCENE_LAUNCH python -m stages.a"))
        for file in ("sr/hat/network.py", "sr/hat/tags.txt", "sr/none/network.py", "run.py"):
            self.write(f"../installed/{file}", file)

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def key(self, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.chdir(self.folder)
        monkeypatch.setattr(key, "PACKAGE", self.package)
        return stage_key("upscale")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


EDITS = {
    "code": ("../installed/sr/hat/network.py", "other"),
    "data among the code": ("../installed/sr/hat/tags.txt", "other"),
    "a new module": ("../installed/sr/hat/new.py", ""),
    "a module alone": ("../installed/run.py", "other"),
    "the stage": ("stages/a.py", "other"),
    "data in a folder": ("data/patches/a/b.h5", "other"),
    "new data": ("data/patches/d.h5", ""),
    "data in a file": ("data/seed.json", "other"),
    "a parameter": ("params.yaml", PARAMS.replace("scale: 4", "scale: 2")),
    "another upscaler": ("params.yaml", PARAMS.replace("sr: hat", "sr: none")),
    "the command": ("dvc.yaml", DECLARED.format(cmd="$SRSCENE_LAUNCH python -m stages.b")),
}
OTHERS = {
    "a compiled module": ("../installed/sr/hat/network.pyc", "other"),
    "a file that is open in an editor": ("../installed/sr/hat/.network.py.swp", "other"),
    "what macOS keeps of data": ("data/patches/._c.h5", "other"),
    "a launcher": ("dvc.yaml", DECLARED.format(cmd="python -m stages.a")),
    "another upscaler's code": ("../installed/sr/none/network.py", "other"),
    "another upscaler's parameter": ("params.yaml", PARAMS.replace("upscale: 2", "upscale: 3")),
    "a parameter of another stage": ("params.yaml", PARAMS.replace("weights: 1", "weights: 2")),
    "how params.yaml is written": ("params.yaml", "# a comment\n" + PARAMS),
}


@pytest.mark.parametrize("what", [*EDITS, *OTHERS])
def test_an_edit_changes_the_key_where_it_is_declared(
    tree: Tree, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree.key(monkeypatch)
    tree.write(*(EDITS | OTHERS)[what])
    assert (tree.key(monkeypatch) != before) == (what in EDITS)
    assert len(before) == 16


def test_where_it_lies_counts_for_nothing(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree.key(monkeypatch)
    shutil.move(tree.folder, tmp_path / "moved/here")
    shutil.move(tree.package, tmp_path / "moved/installed")
    tree.folder, tree.package = tmp_path / "moved/here", tmp_path / "moved/installed"
    assert tree.key(monkeypatch) == before


def test_a_missing_parameter_is_one_line(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write("params.yaml", PARAMS.replace("upscale: {scale: 4}", "upscaled: 1"))
    with pytest.raises(BadInput, match=r"no parameter 'upscalers.hat.upscale'; did you mean 'upscaled'"):
        tree.key(monkeypatch)


def test_swapped_contents_have_another_key(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree.key(monkeypatch)
    tree.write("data/patches/c.h5", "data/patches/a/b.h5")
    tree.write("data/patches/a/b.h5", "data/patches/c.h5")
    assert tree.key(monkeypatch) != before


def test_a_store_counts_by_its_index_alone(tmp_path: Path) -> None:
    (tmp_path / "shard-00000.h5").write_bytes(b"a")
    assert list(content(tmp_path)) == ["shard-00000.h5"]
    (tmp_path / "index.h5").write_bytes(b"its digest")
    before = content(tmp_path)
    (tmp_path / "shard-00000.h5").unlink()  # what is not there cannot be read
    assert content(tmp_path) == before
    assert list(before) == ["index.h5"]


def test_what_is_not_there_has_no_content(tmp_path: Path) -> None:
    assert content(tmp_path / "none") == {}


def test_each_kind_of_device_and_number_format_has_its_own_work() -> None:
    keys = {with_device("a", *where) for where in (("cpu", "fp32"), ("cpu", "bf16"), ("H200", "bf16"))}
    assert len(keys | {with_device("b", "cpu", "fp32")}) == 4


def test_a_scene_counts_by_the_code_of_its_command_and_its_settings(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key, "PACKAGE", tree.package)
    monkeypatch.setattr(key, "COMMANDS", {"upscale": ["run.py", "sr/${sr}"], "predict": ["run.py"]})
    keys = {scene_key(*of) for of in (("upscale", "hat", 1), ("upscale", "hat", 2), ("predict", "hat", 1))}
    assert len(keys) == 3
    tree.write("../installed/sr/hat/network.py", "other")
    assert scene_key("predict", "hat", 1) in keys
    assert scene_key("upscale", "hat", 1) not in keys


def test_settings_count_whatever_their_order() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})

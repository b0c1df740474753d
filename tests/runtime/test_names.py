"""What is no data of ours is told by its name, by one list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srscene.runtime.key import content
from srscene.runtime.names import FOREIGN, foreign
from tests.litter import litter
from tests.pipeline.repository import ROOT

OURS = [
    "a.py",
    ".dvcignore",
    "T33UUP_B02_10m.tif",
    "a.swc.tif",
    "a~b",
    "a#b",
    "_a",
    "nfs1",
    "MACOSX",
    "thumbs",
]
FOREIGNERS = [
    ".a.py.swp", ".a.swo", "a.py~", ".#a.py", "#a.py#", ".nfs000001", "._a.tif", ".DS_Store", "__MACOSX",
    "Thumbs.db", "desktop.ini", ".ipynb_checkpoints", "__pycache__", "a.pyc",
]  # fmt: skip


@pytest.mark.parametrize("name", FOREIGNERS)
def test_what_is_no_data(name: str) -> None:
    assert foreign(name)


@pytest.mark.parametrize("name", OURS)
def test_what_is_data(name: str) -> None:
    assert not foreign(name)


@given(st.lists(st.sampled_from(OURS + FOREIGNERS), min_size=1))
def test_a_path_is_foreign_by_any_part(parts: list[str]) -> None:
    assert foreign("/".join(parts)) == any(map(foreign, parts))


def test_dvc_ignores_the_same_names() -> None:
    lines = (ROOT / ".dvcignore").read_text().splitlines()
    names = [line.replace("\\", "") for line in lines if line and not line.startswith(("# ", "/"))]
    assert names == list(FOREIGN)


def test_nothing_of_it_is_content(tmp_path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.py").write_text("1")
    (tmp_path / "a/d.txt").write_text("2")
    before = content(tmp_path / "a")
    assert litter(tmp_path / "a") > 10
    assert content(tmp_path / "a") == before

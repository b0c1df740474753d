"""What `check` notes and says of the packages that compute."""

import json
import re
from pathlib import Path

import pytest

from srscene import versions
from srscene.runtime.console import BadInput
from tests.pipeline.repository import ROOT


@pytest.fixture(autouse=True)
def in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements.lock").write_text((ROOT / "requirements.lock").read_text())
    monkeypatch.chdir(tmp_path)


def set_installed(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    found = versions.locked() | {name.replace("_", "-"): has for name, has in changes.items()}
    monkeypatch.setattr(versions, "version", found.__getitem__)


def test_files_hold_the_locked_versions_and_no_other(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    set_installed(monkeypatch, torch="2.13.0+cpu")
    versions.write(Path("data"))
    for group, names in versions.GROUPS.items():
        found = json.loads(Path(f"data/{group}.json").read_text())
        assert found.keys() == set(names)
        assert all(
            re.search(rf"^{name}=={found[name]} ", Path("requirements.lock").read_text(), re.M)
            for name in found
        )
    assert not capsys.readouterr().out  # another build of the same version is no other


def test_other_versions_are_said_in_one_line(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    set_installed(monkeypatch, torch="2.12.1+cu130", numpy="9")
    before = versions.locked()
    versions.tell(before)
    (line,) = capsys.readouterr().out.splitlines()
    assert f"numpy 9 (locked: {before['numpy']}), torch 2.12.1 (locked: {before['torch']})" in line


def test_a_package_that_is_not_installed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    versions.tell(versions.locked())
    before = capsys.readouterr().out
    assert versions.installed("no-such-package") == "none"
    assert "none" not in before


@pytest.mark.parametrize("text", ["", "torch==2.13.0 \\\n"])
def test_a_lock_without_them_is_one_line(text: str) -> None:
    Path("requirements.lock").write_text(text)
    with pytest.raises(
        BadInput, match=r"requirements\.lock: (lacks accelerate, .*`make lock`|an empty file)"
    ):
        versions.locked()

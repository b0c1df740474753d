"""One repository for all tests of a file."""

from pathlib import Path

import pytest

from tests.pipeline.repository import Repo, make_repo


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, warm: Path) -> Repo:
    """A repository in which the whole pipeline ran once, with `sr: none` and ResNet-18."""
    repo = make_repo(tmp_path_factory.mktemp("repo") / "srscene", warm / "stages")
    repo.repro()
    repo.commit("Results")
    return repo

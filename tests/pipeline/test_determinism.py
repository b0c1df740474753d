"""The same inputs give the same bytes, from the first stage to the last."""

import pytest
from repository import Repo

pytestmark = pytest.mark.xdist_group("pipeline")


def test_a_forced_run_gives_an_identical_lock(repo: Repo) -> None:
    before = (repo.folder / "dvc.lock").read_bytes()
    assert len(repo.repro("-f")) == 10
    assert (repo.folder / "dvc.lock").read_bytes() == before

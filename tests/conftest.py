"""Shared by all tests: one thread a process, so that two test processes share two cores; long files first."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.pipeline.warm_python import warm_programs

os.environ.setdefault("OMP_NUM_THREADS", "1")
# The same examples each time, however slow the machine is; `--hypothesis-profile default` looks for new ones.
settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")

TESTS = Path(__file__).parent
LONGEST = (
    "sweep/test_run.py", "pipeline/test_keys.py", "pipeline/test_dvc.py", "sr/test_workers.py",
    "pipeline/test_remotes.py", "sr/test_run.py", "sr/seesr/test_restorer.py", "classify/test_train.py",
    "classify/test_two_processes.py", "sr/test_fit.py", "test_kills.py", "robustness/test_memory.py",
    "classify/test_backbone.py", "scene/test_upscale.py", "sweep/test_experiments.py", "test_check.py",
)  # fmt: skip
"""The files that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put these files first: a long one that begins last would leave the other process idle."""
    turn = {TESTS / file: number for number, file in enumerate(LONGEST)}
    items.sort(key=lambda item: turn.get(item.path, len(turn)))


@pytest.fixture(scope="session")
def warm() -> Iterator[Path]:
    """Where the programs are that start at once: `stages/python` and `cli/srscene`."""
    with warm_programs() as folder:
        yield folder

"""A small store whose labels can be seen in the images, and settings that train in seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from srscene.classify.options import ClassifierOptions
from srscene.core.store import PatchStore
from srscene.runtime.machine import Machine
from tests.classify.stores import quick, write_store
from tests.options import section

MakeStore = Callable[..., PatchStore]


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    return lambda **changes: write_store(tmp_path / "data" / "upscaled", **changes)


@pytest.fixture
def options() -> ClassifierOptions:
    return quick()


@pytest.fixture
def machine() -> Machine:
    return section("machine", Machine)

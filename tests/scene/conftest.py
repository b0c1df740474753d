"""A tiny trained pipeline, once for all tests that predict."""

import pytest

from tests.scene.trained import Trained, run_pipeline


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return run_pipeline(tmp_path_factory.mktemp("pipeline"))

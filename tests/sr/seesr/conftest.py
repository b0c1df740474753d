"""The tiny checkpoint, what the weights stage makes of it, and its networks in fp64, once for all tests."""

from pathlib import Path

import pytest
import torch

from srscene.sr.seesr.checkpoint import conversion
from tests.sr.seesr import official_run, tiny_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    tiny_checkpoint.write(folder)
    return folder


@pytest.fixture(scope="session")
def converted(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    conversion.convert(checkpoint, False, folder)
    return folder


@pytest.fixture(scope="session")
def converted_turbo(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted-turbo")
    conversion.convert(checkpoint, True, folder)
    return folder


@pytest.fixture(scope="session")
def networks_fp64() -> official_run.Networks:
    return official_run.networks(torch.float64)

"""The upscaling benchmark times what it says, on small networks (without a GPU)."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import upscaling
from srscene.sr.common.upscaler import find
from tests.sr.sr_data import checkpoint, images

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    checkpoint("msrresnet", tmp_path / "weights.safetensors")
    return tmp_path


def test_the_compiled_network_is_timed(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    patches, upscaler = torch.from_numpy(images(2, 24, 24)), find("srresnet")
    eager, compiled = (
        upscaler.load(upscaling.options("srresnet", choice), weights, CPU, "fp32") for choice in (False, True)
    )
    ways = [partial(upscaling.alone, way, patches) for way in (eager, compiled)]
    [row] = upscaling.beside("network alone", *ways, 2, 1)
    assert row.case == "network alone, torch.compile"
    assert row.value > 0
    torch.compiler.reset()


def test_what_cannot_be_compiled_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise RuntimeError("no compiler")

    assert upscaling.beside("network alone", list, fails, 2, 1) == []
    assert "network alone, torch.compile: failed (RuntimeError: no compiler)" in capsys.readouterr().out


def test_the_stage_is_timed_on_land(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscaling, "SCENES", 2)
    monkeypatch.setenv("DVC_ROOT", "of somebody else")
    assert upscaling.store_to_store("srresnet", weights, 32, 48, 4) > 0
    assert os.environ["DVC_ROOT"] == "of somebody else"
    fine = [np.abs(np.diff(image.astype(int), axis=1)).mean() for image in upscaling.land()]
    assert min(fine) > 2  # levels between neighbours: no smooth blobs

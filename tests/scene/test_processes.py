"""Both commands as processes of their own, where there is nothing but models/ as pulled, and a scene."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

from tests.scene.trained import Trained, write_scene

KNOWN = ("--offset", "0", "--scale", "10000")


@pytest.fixture
def here(trained: Trained, tmp_path: Path) -> Path:
    shutil.copytree(trained.folder / "models", tmp_path / "models")
    land = trained.reflectance[:, :130, :125].copy()
    land[:, :4, :5] = 0
    write_scene(tmp_path / "scene.tif", land)
    return tmp_path


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run srscene where neither git nor dvc is to be found, at a terminal that knows ASCII alone."""
    environment = os.environ | {"PATH": str(folder / "nothing"), "PYTHONIOENCODING": "ascii"}
    environment.pop("DVC_ROOT", None)
    call = [sys.executable, "-m", "srscene.cli", *arguments, *KNOWN]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {".scratch"}


def test_upscale(here: Path) -> None:
    done = _run(here, "upscale", "scene.tif", "-o", "out.tif", "--nodata", "0")
    assert done.returncode == 0, done.stderr
    assert "upscale: srresnet on CPU" in done.stdout
    assert _names(here) == {"models", "scene.tif", "out.tif"}
    with rasterio.open(here / "out.tif") as file:
        assert file.shape == (520, 500)
        assert (file.dataset_mask() == 0).sum() >= 16 * 20  # black without --nodata


def test_predict_beside_another_project_s_params(here: Path) -> None:
    (here / "params.yaml").write_text("train: {epochs: 3}\nmachine: gpu-box\n")
    done = _run(here, "predict", "scene.tif", "-o", "map.gpkg")
    assert done.returncode == 0, done.stderr
    assert "map.gpkg: 1 tiles; the last 5 px at the right and 10 px below fill no tile" in done.stdout
    assert _names(here) == {"models", "params.yaml", "scene.tif", "map.gpkg"}


def test_bad_input_is_status_1_one_line_and_no_file(here: Path) -> None:
    scene = (here / "scene.tif").read_bytes()
    done = _run(here, "predict", "scene.tif", "-o", "scene.tif")
    assert done.returncode == 1
    assert done.stderr.startswith("error: scene.tif: a file of the scene, which would be overwritten; ")
    assert done.stderr.count("\n") == 1
    assert _names(here) == {"models", "scene.tif"}
    assert (here / "scene.tif").read_bytes() == scene

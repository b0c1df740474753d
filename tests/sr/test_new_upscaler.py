"""An upscaler is a folder and a section of params.yaml: everything else takes it from there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from srscene.compare import cell
from srscene.compare.cell import Cell
from srscene.sr.common.names import upscalers
from srscene.sr.shown import ROLES, shown
from tests.options import PARAMS, merged, written
from tests.scene.products import geotiff, land

ROOT = Path(__file__).parents[2]
FOLDER = {
    "__init__.py": '"""Pixels as blocks."""\nTITLE = "Blocks 3000"\nORDER = 0\n',
    "options.py": """
from srscene.runtime.params import Section
class WeightsOptions(Section):
    pass
class UpscaleOptions(Section):
    factor: int
    def check_weights(self, weights):
        assert self.factor < 9
""",
    "model/__init__.py": """
from srscene.sr.blocks.options import UpscaleOptions
from srscene.sr.common.upscaler import Upscaler
class Blocks(Upscaler[UpscaleOptions]):
    def load(self, options, folder, device, precision):
        return lambda images, names: images.repeat_interleave(options.factor, 1).repeat_interleave(
            options.factor, 2
        )
UPSCALER = Blocks()
""",
}
SECTION = {"weights": {}, "upscale": {"factor": 3}}
CODE = """
import json, sys
from pathlib import Path
from matplotlib import pyplot as plt
from typer.testing import CliRunner
from srscene.cli import app
from srscene.compare import cell
from srscene.page import figures
from srscene.sweep import grid
def srscene(*arguments):
    done = CliRunner().invoke(app, arguments)
    assert not done.exit_code, done.output + repr(done.exception)
    return done.output
plt.rcParams.update({"pdf.use14corefonts": True, "pdf.compression": 0})  # words that can be read
figures.fidelity_against_utility(cell.read(Path("cells")), "bicubic", Path("fidelity"))
print(json.dumps({
    "check": srscene("check"),
    "grid": [wanted.name for wanted in grid.wanted(grid.from_options(None, "none,blocks", None, "0,1"))],
    "tables": srscene("compare", "--from", "cells", "-o", "tables"),
    "scene": srscene("upscale", *"scene.tif --sr blocks -o out.tif --scale 1e4 --offset 0".split()),
}))
"""


def result(sr: str, seed: int) -> Cell:
    fidelity = {"psnr": 20.0 + len(sr), "lr_psnr": 30.0, "hallucination": 0.1}
    return Cell(f"{sr}-resnet50-s{seed}", sr, "resnet50", seed, {"macro_ap": 0.5, "f1": 0.4}, {}, fidelity)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository's folder whose package has one more upscaler, with results and a scene."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(ROOT / "src", place / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FOLDER.items():
        file = place / "src/srscene/sr/blocks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (place / "params.yaml").write_text(
        written(merged(PARAMS, {"upscalers": {"blocks": SECTION}, "sr": "blocks"}))
    )
    shutil.copy(ROOT / "requirements.lock", place)
    (place / "dvc.yaml").touch()
    (place / ".git").mkdir()
    cell.write(
        [result(sr, seed) for sr in ("truth", "blocks", "srresnet", "bicubic") for seed in (0, 1)],
        place / "cells",
    )
    geotiff(place / "scene.tif", land(70, 90))
    return place


@pytest.fixture(scope="module")
def seen(place: Path) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(place / "src"), "DVC_ROOT": str(place)}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_it_may_be_chosen(seen: dict[str, Any]) -> None:
    assert "sr blocks" in seen["check"]


def test_a_sweep_has_it(seen: dict[str, Any]) -> None:
    cells = [f"{sr}-resnet50-s{seed}" for seed in (0, 1) for sr in ("none", "blocks")]
    assert seen["grid"] == cells


def test_it_stands_in_the_tables_under_its_title_and_in_its_place(seen: dict[str, Any], place: Path) -> None:
    assert "Blocks 3000" in seen["tables"]
    text = (place / "tables/table1.md").read_text()
    ours = [line.split(" | ")[0].strip("| ") for line in text.splitlines() if " | ours | " in line]
    assert [name for name in ours if name not in ("No SR", "HAT", "SeeSR", "RealESRGAN")] == [
        "Bicubic", "Blocks 3000", "SRResNet", "Truth",
    ]  # fmt: skip


def test_it_stands_in_a_figure_of_upscalers(seen: dict[str, Any], place: Path) -> None:
    words = (place / "fidelity.pdf").read_bytes()
    assert b"Blocks 3000" in words
    assert b"Truth" not in words


def test_it_enlarges_a_scene(seen: dict[str, Any], place: Path) -> None:
    assert "upscale: blocks on " in seen["scene"]
    with rasterio.open(place / "out.tif") as file:
        picture = file.read()
    assert picture.shape == (3, 210, 270)
    np.testing.assert_array_equal(picture, picture[:, ::3, ::3].repeat(3, 1).repeat(3, 2))


@pytest.mark.parametrize("name", upscalers())
def test_each_has_a_role(name: str) -> None:
    assert shown(name).role in ROLES

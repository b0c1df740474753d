"""`srscene upscale` with SeeSR's tiny networks: each tile has noise of its own, and fades into the next."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from srscene.runtime.machine import Machine
from srscene.scene.model import find_model
from srscene.scene.source import open_scene
from srscene.scene.upscale import upscale_scene
from tests.scene.products import geotiff, land
from tests.sr.seesr.test_restorer import upscale_options


def test_a_scene_in_tiles(
    converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    options = upscale_options(precision="fp32")
    path, out = geotiff(tmp_path / "a.tif", land(70, 110)), tmp_path / "out.tif"
    with open_scene(path, offset=0, scale=10_000, reflectance_max=2000) as scene:
        model = find_model("seesr", converted, None, options)
        upscale_scene(scene, model, Machine(batch_size=1, workers=0), out, tile=40)
        rgb, _ = scene.read(0, 0, scene.height, scene.width)
    with rasterio.open(out) as file:
        picture = file.read().transpose(1, 2, 0)
    assert picture.shape == (280, 440, 3)
    seams = float(capsys.readouterr().out.splitlines()[-1].split("seams are ")[1].split()[0])
    assert 0.9 < seams < 1.1
    assert np.abs(picture.mean((0, 1)) - rgb.mean((0, 1))).max() < 3  # the colour fix, tile by tile

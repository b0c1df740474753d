"""The file that `srscene upscale` writes: what GIS tools find in it, and that it opens as a scene again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rio_cogeo import cog_validate

from srscene.scene.radiometry import Radiometry
from srscene.scene.source import open_scene
from srscene.sr.common.checkpoints import weights_sha256
from tests.scene.products import CORNER, geotiff, land, product
from tests.scene.upscaling import UNIT, model_of, upscaled


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "reflectance", "dtype"),
    [("uint16", False, "uint8"), ("uint16", True, "uint16"), ("float32", True, "float32")],
)
def test_the_file_is_what_gis_tools_open(tmp_path: Path, kind: str, reflectance: bool, dtype: str) -> None:
    pixels, hole = land(90, 150).astype(kind), np.zeros((90, 150), bool)
    hole[32:48, 60:80] = True
    pixels[:, hole] = 0
    path = geotiff(tmp_path / "a.tif", pixels, nodata=0)
    upscaled(path, model_of("bicubic", tmp_path), tmp_path / "out.tif", reflectance=reflectance)
    sound, errors, warnings = cog_validate(tmp_path / "out.tif", strict=True)
    assert (sound, errors, warnings) == (True, [], [])
    with rasterio.open(tmp_path / "out.tif") as file:
        assert (file.height, file.width, file.dtypes) == (360, 600, (dtype,) * 3)
        assert file.transform == Affine(2.5, 0, CORNER.c, 0, -2.5, CORNER.f)
        assert file.crs.to_epsg() == 32632
        assert file.descriptions == ("B04", "B03", "B02")
        assert [colour.name for colour in file.colorinterp] == ["red", "green", "blue"]
        assert file.overviews(1) == [2]
        full = file.read()
    with rasterio.open(tmp_path / "out.tif", overview_level=0) as file:
        half, valid = file.read(), file.dataset_mask() > 0
    np.testing.assert_array_equal(~valid, hole.repeat(2, 0).repeat(2, 1))
    means = full.astype(float).reshape(3, 180, 2, 300, 2).mean((2, 4))
    assert np.abs(half - means)[:, valid].max() < 1  # nothing of the hole came into it


def test_tags_tell_how_it_was_made(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "a & b.tif", land(60, 60)[::-1] + np.uint16(1000), ("B02", "B03", "B04"))
    model = model_of("srresnet", tmp_path, "msrresnet")
    upscaled(path, model, tmp_path / "out.tif", {"scale": 10_000, "reflectance_max": 2000})
    with rasterio.open(tmp_path / "out.tif") as file:
        tags = file.tags()
    expected = {
        "sr": "srresnet",
        "precision": "fp32",
        "weights_sha256": weights_sha256(tmp_path),
        "reflectance_max": "2000",
        "scene_bands": "B04 from a & b.tif:3, B03 from a & b.tif:2, B02 from a & b.tif:1",
        "scene_scale": "10000.0",
        "scene_offset": "-1000, -1000, -1000",
        "scene_assumed": "offset",
        "scene_nodata": "as in its files",
    }
    assert tags.items() >= expected.items()
    assert tags["srscene"]


def test_reflectance_of_a_product_tells_its_radiometry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dn = land(60, 70) + np.uint16(1000)
    dn[:, :, :7] = 0
    scene, out = product(tmp_path, dn), tmp_path / "out.tif"
    with open_scene(scene, reflectance_max=2000) as opened:
        levels, valid = opened.read(0, 0, 60, 70)
    upscaled(scene, model_of("none", tmp_path), out, {"reflectance_max": 2000}, reflectance=True)
    capsys.readouterr()
    with open_scene(out, reflectance_max=2000) as again:
        assert again.radiometry == Radiometry(10_000, (-1000, -1000, -1000), 2000)
        assert not again.radiometry.guessed
        found = again.read(0, 0, 60, 70)
    assert not capsys.readouterr().out
    np.testing.assert_array_equal(found[0], levels)
    np.testing.assert_array_equal(found[1], valid)


def test_what_was_assumed_is_not_told_as_known(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "a.tif", land(40, 40))
    upscaled(
        path, model_of("none", tmp_path), tmp_path / "out.tif", {"reflectance_max": 2000}, reflectance=True
    )
    with rasterio.open(tmp_path / "out.tif") as file:
        assert (file.scales, file.offsets) == ((1, 1, 1), (0, 0, 0))


@pytest.mark.parametrize(
    ("kind", "factor", "offset", "dtype"),
    [
        ("uint16", 1, -1000, "uint16"),
        ("uint16", 1, 0, "uint16"),
        ("float32", 1e-4, 0, "float32"),
        ("int32", 100, 0, "float32"),  # more than 65,535
        ("uint16", 0.1, 0, "float32"),  # steps of less than 1
        ("int16", 1, 500, "float32"),  # below 0
    ],
)
def test_reflectance_comes_back_to_half_a_step(
    tmp_path: Path, kind: str, factor: float, offset: int, dtype: str
) -> None:
    stored = ((land(50, 60).clip(1, 1999).astype(int) - offset) * factor).astype(kind)
    opening: dict[str, Any] = UNIT | {"offset": offset, "scale": 10_000 * factor}
    back, _ = upscaled(
        geotiff(tmp_path / "a.tif", stored), model_of("none", tmp_path), tmp_path / "out.tif", opening,
        reflectance=True,
    )  # fmt: skip
    assert back.dtype == dtype
    half_a_step = 2000 / 255 / 2
    rounding = 0.5 if dtype == "uint16" else 0.01
    off = np.abs(back.astype(float).transpose(2, 0, 1) - stored)
    assert off.max() <= (half_a_step + rounding) * factor


def test_negative_reflectance_comes_back_as_the_darkest_level(tmp_path: Path) -> None:
    stored = np.full((3, 20, 20), 900, np.uint16)
    back, _ = upscaled(
        geotiff(tmp_path / "a.tif", stored), model_of("none", tmp_path), tmp_path / "out.tif",
        UNIT | {"offset": -1000}, reflectance=True,
    )  # fmt: skip
    assert (back == 1004).all()

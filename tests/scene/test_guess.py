"""What a scene's numbers mean where it does not tell: by GDAL, by what they look like, or not at all."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from srscene.ingest.reflectance import to_rgb
from srscene.runtime.console import BadInput
from srscene.scene.radiometry import Radiometry
from srscene.scene.source import Scene, open_scene
from tests.scene.products import geotiff, land

LAND = land(70, 90)
LEVELS = to_rgb(list(LAND), 2000)
NEW = LAND + np.uint16(1000)
"""As of baseline 04.00."""


def opened(path: Path, **options: float) -> tuple[Radiometry, np.ndarray, np.ndarray]:
    with open_scene(path, reflectance_max=2000, **options) as scene:  # type: ignore[arg-type]
        return scene.radiometry, *scene.read(0, 0, scene.height, scene.width)


def with_gdals(
    path: Path, scales: tuple[float, ...], offsets: tuple[float, ...], pixels: np.ndarray = NEW
) -> Path:
    with rasterio.open(geotiff(path, pixels), "r+") as file:
        file.scales, file.offsets = scales, offsets
    return path


def test_gdals_offset_without_a_scale_is_in_stored_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = with_gdals(tmp_path / "a.tif", (1, 1, 1), (-1000, -1000, -1000))
    radiometry, rgb, _ = opened(path)
    assert radiometry.offset == (-1000, -1000, -1000)
    np.testing.assert_array_equal(rgb, LEVELS)
    assert "assumed: 10,000 for a reflectance of 1 (--scale)" in capsys.readouterr().out
    floats = (NEW / 10_000).astype(np.float32)
    path = with_gdals(tmp_path / "b.tif", (1, 1, 1), (-0.1, -0.1, -0.1), floats)
    np.testing.assert_array_equal(opened(path)[1], LEVELS)


@pytest.mark.parametrize(
    ("scales", "offsets", "message"),
    [
        ((1e-4, 2e-4, 1e-4), (0, 0, 0), "scales of its bands are 0.0001, 0.0002, 0.0001, .*; expected one"),
        ((-1e-4,) * 3, (0, 0, 0), "scales of its bands are -0.0001, .* above 0"),
        ((1e-4,) * 3, (-1000,) * 3, "its offsets -1000, -1000, -1000; expected offsets of at most 1 in"),
    ],
)
def test_gdals_values_that_mean_nothing_are_named(
    tmp_path: Path, scales: tuple[float, ...], offsets: tuple[float, ...], message: str
) -> None:
    path = with_gdals(tmp_path / "a.tif", scales, offsets)
    with pytest.raises(BadInput, match=f"a.tif: GDAL's .*{message}.*--scale and --offset"):
        opened(path)
    np.testing.assert_array_equal(opened(path, scale=10_000, offset=-1000)[1], LEVELS)


def test_black_says_nothing_of_the_offset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JPEG 2000 rewritten as GeoTIFF loses that 0 is no data."""
    holed = NEW.copy()
    holed[:, :, :9] = 0
    path = geotiff(tmp_path / "a.tif", holed)
    radiometry, rgb, valid = opened(path)
    assert radiometry.offset == (-1000, -1000, -1000)
    np.testing.assert_array_equal(rgb[:, 9:], LEVELS[:, 9:])
    assert valid.all()
    said = capsys.readouterr().out
    assert said.count("a.tif: its pixels of 0 in all bands count as data") == 1
    assert "--nodata 0" in said
    _, rgb, valid = opened(path, nodata=0)
    assert not valid[:, :9].any()
    np.testing.assert_array_equal(rgb[:, 9:], LEVELS[:, 9:])
    assert "--nodata" not in capsys.readouterr().out


def test_a_file_that_tells_its_nodata_may_have_black(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dark = LAND.copy()
    dark[:, 5, 7] = 0
    assert opened(geotiff(tmp_path / "a.tif", dark, nodata=65_535))[2].all()
    assert "--nodata" not in capsys.readouterr().out


def test_a_small_area_in_a_large_frame_is_found(tmp_path: Path) -> None:
    frame = np.full((3, 700, 700), np.nan, np.float32)
    frame[:, 140:180, 140:180] = NEW[:, :40, :40] / 10_000
    radiometry, rgb, _ = opened(geotiff(tmp_path / "a.tif", frame))
    assert radiometry == Radiometry(1, (-1000, -1000, -1000), 2000)
    np.testing.assert_array_equal(rgb[140:180, 140:180], LEVELS[:40, :40])


@pytest.mark.parametrize("value", [np.nan, 0])
def test_nothing_to_guess_from(tmp_path: Path, value: float) -> None:
    path = geotiff(tmp_path / "a.tif", np.full((3, 30, 30), value, np.float32))
    for options in ({}, {"scale": 1}, {"offset": 0}):
        with pytest.raises(BadInput, match=r"a\.tif: nothing but black .*; say it: --scale 10000"):
            opened(path, **options)
    assert opened(path, scale=1, offset=0)[0] == Radiometry(1, (0, 0, 0), 2000)


def test_a_scene_tells_how_it_was_read(tmp_path: Path) -> None:
    with open_scene(geotiff(tmp_path / "a.tif", NEW), nodata=7, offset=-1000, reflectance_max=2000) as scene:
        assert isinstance(scene, Scene)
        assert scene.tags() == {
            "scene_bands": "B04 from a.tif:1, B03 from a.tif:2, B02 from a.tif:3",
            "scene_scale": "10000.0",
            "scene_offset": "-1000, -1000, -1000",
            "scene_assumed": "scale",
            "scene_nodata": "7",
        }

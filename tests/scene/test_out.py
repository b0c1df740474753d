"""An output that can't be written, or must not be, is found before anything is computed."""

import os
from pathlib import Path

import pytest
import rasterio

from srscene.runtime.console import BadInput
from srscene.scene.out import check_out
from srscene.scene.source import open_scene
from tests.scene.products import BANDS, geotiff, land, product, zipped

LAND = land(20, 30)
TIF = (".tif", ".tiff")


def test_what_can_be_written(tmp_path: Path) -> None:
    with open_scene(geotiff(tmp_path / "a.tif", LAND), reflectance_max=2000) as scene:
        (tmp_path / "old.tif").touch()
        for name in ("out.tif", "old.tif", "new/folder/out.tiff"):
            check_out(tmp_path / name, scene, TIF)
    check_out(tmp_path / "map.png", None, (".png",))
    assert not (tmp_path / "new").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "old.tif"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out", "out: named without a suffix, expected one of .tif, .tiff"),
        ("out.gpkg", "out.gpkg: named .gpkg, expected one of .tif, .tiff"),
        ("folder.tif", "folder.tif: a folder, expected the name of a file"),
        ("a.tif/out.tif", r"out.tif: /.*/a.tif is a file, expected a folder"),
        ("/proc/out.tif", r"/proc/out.tif: can't be written \(.*\); name another folder"),
        (f"{'x' * 300}.tif", r"x.tif: can't be written \(File name too long\)"),
    ],
)
def test_what_can_not_be_written(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.tif").touch()
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(BadInput, match=message) as told:
        check_out(tmp_path / name, None, TIF)
    assert "\n" not in str(told.value)


def test_no_file_of_the_scene_by_any_name(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "a.tif", LAND)
    (tmp_path / "link.tif").symlink_to(path)
    os.link(path, tmp_path / "hard.tif")
    with open_scene(path, reflectance_max=2000) as scene:
        for name in ("a.tif", "link.tif", "hard.tif"):
            with pytest.raises(BadInput, match=f"{name}: a file of the scene, which would be overwritten"):
                check_out(tmp_path / name, scene, TIF)


def test_no_band_of_a_folder(tmp_path: Path) -> None:
    for band, pixels in zip(BANDS, LAND, strict=True):
        geotiff(tmp_path / f"x_{band}.tif", pixels[None], [None])
    with (
        open_scene(tmp_path, reflectance_max=2000) as scene,
        pytest.raises(BadInput, match=r"x_B03\.tif: a file of the scene"),
    ):
        check_out(tmp_path / "x_B03.tif", scene, TIF)


def test_the_files_that_a_scene_is_read_from(tmp_path: Path) -> None:
    """Sidecars too; of a product its images, by whatever name it is given; of a zip, the zip."""
    path = geotiff(tmp_path / "a.tif", LAND)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(LAND[0] > 500)
    geotiff(tmp_path / "out.tif", LAND)
    with open_scene(path, reflectance_max=2000) as scene:
        assert scene.paths == {path, tmp_path / "a.tif.msk"}
    safe = product(tmp_path, LAND)
    for given in (safe, safe / "MTD_MSIL2A.xml"):
        with open_scene(given, reflectance_max=2000) as scene:
            images = {path.name for path in scene.paths if path.suffix == ".jp2"}
        assert images == {f"T32UQD_20220612T102601_{band}_10m.jp2" for band in BANDS}
    with open_scene(zipped(safe), reflectance_max=2000) as scene:
        assert scene.paths == {safe.with_suffix(".zip")}

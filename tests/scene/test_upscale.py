"""A scene upscaled in tiles is the scene upscaled, whatever its size and holes, in a file for GIS tools."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from srscene.cli import app
from srscene.runtime.console import BadInput
from srscene.scene.model import Model
from srscene.scene.source import open_scene
from srscene.scene.upscale import upscale_scene
from srscene.sr.common.checkpoints import save
from srscene.sr.common.upscaler import find
from srscene.sr.hat.model.network import new as new_hat
from tests.scene.products import geotiff, land, product
from tests.scene.upscaling import ONE, STRIPS, UNIT, damage, model_of, upscaled

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def whole(path: Path, model: Model) -> np.ndarray:
    """The scene upscaled in one piece."""
    with open_scene(path, **UNIT) as scene:
        rgb, _ = scene.read(0, 0, scene.height, scene.width)
    upscale = model.load(CPU, "fp32")
    with torch.inference_mode():
        return upscale(torch.from_numpy(rgb[None]), ["whole"])[0].numpy()


def off(left: np.ndarray, right: np.ndarray) -> int:
    return int(np.abs(left.astype(int) - right.astype(int)).max())


@pytest.mark.parametrize(
    ("name", "fixture", "size"),
    [("srresnet", "msrresnet", (70, 80)), ("realesrgan", "rrdbnet", (24, 180)), ("bicubic", None, (70, 80))],
)
def test_tiles_of_a_convolutional_network_are_the_whole(
    tmp_path: Path, name: str, fixture: str | None, size: tuple[int, int]
) -> None:
    path = geotiff(tmp_path / "a.tif", land(*size))
    model = model_of(name, tmp_path, fixture)
    rgb, valid = upscaled(path, model, tmp_path / "out.tif", tile=32)
    assert off(rgb, whole(path, model)) <= 1
    assert valid.all()


@given(st.integers(1, 70), st.integers(1, 70), st.integers(2, 4))
@settings(max_examples=5, deadline=None)
def test_any_size_and_scale(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, scale: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path, model = geotiff(folder / "a.tif", land(height, width)), model_of("bicubic", folder, scale=scale)
    rgb, _ = upscaled(path, model, folder / "out.tif", tile=16)
    assert rgb.shape == (scale * height, scale * width, 3)
    assert off(rgb, whole(path, model)) <= 1


def test_a_scene_smaller_than_hats_window(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "a.tif", land(5, 9))
    rgb, _ = upscaled(path, model_of("hat", tmp_path, "hat_w16"), tmp_path / "out.tif")
    assert rgb.shape == (20, 36, 3)
    assert rgb.std() > 0


def test_a_small_scene_of_a_convolutional_network_ends_where_it_ends(tmp_path: Path) -> None:
    path, model = geotiff(tmp_path / "a.tif", land(5, 9)), model_of("srresnet", tmp_path, "msrresnet")
    assert off(upscaled(path, model, tmp_path / "out.tif")[0], whole(path, model)) <= 1


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A scene of 150×90 pixels."""
    return geotiff(tmp_path / "plain.tif", land(90, 150))


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32733", Affine(10, 0, 399_960, 0, -10, 8_000_020)),
        ("EPSG:3035", Affine(10, 0, 4_321_000.5, 0, -10, 3_210_000.25)),
        ("EPSG:32632", Affine(10, 0, 499_980, 0, 10, 5_600_000)),  # south up
        ("EPSG:32632", Affine.translation(5e5, 5.7e6) @ Affine.rotation(30) @ Affine.scale(10, -10)),
        (None, Affine.scale(10, -10)),
    ],
)
def test_every_grid_keeps_its_corner(tmp_path: Path, crs: str | None, transform: Affine) -> None:
    path = geotiff(tmp_path / "a.tif", land(20, 30), crs=crs, transform=transform)
    upscaled(path, model_of("bicubic", tmp_path), tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.crs == (rasterio.crs.CRS.from_string(crs) if crs else None)
        for corner, end in (((0, 0), (0, 0)), ((30, 20), (120, 80)), ((30, 0), (120, 0))):
            assert file.transform @ end == pytest.approx(transform @ corner, rel=1e-12)


def test_a_lone_nan_blanks_itself_and_reaches_no_further_than_the_halo(tmp_path: Path) -> None:
    pixels = (land(120, 130) / 10_000).astype(np.float32)
    hole = pixels.copy()
    hole[1, 60, 70] = np.nan
    model = model_of("srresnet", tmp_path, "msrresnet")
    options = UNIT | {"scale": 1}
    found = []
    for name, each in (("sound", pixels), ("hole", hole)):
        with open_scene(geotiff(tmp_path / f"{name}.tif", each), **options) as scene:
            upscale_scene(scene, model, ONE, tmp_path / "out.tif", tile=64)
        with rasterio.open(tmp_path / "out.tif") as file:
            found.append((file.read().astype(int), file.dataset_mask() > 0))
    (sound, _), (holed, valid) = found
    blank = np.zeros((480, 520), bool)
    blank[240:244, 280:284] = True
    np.testing.assert_array_equal(~valid, blank)
    assert not holed[:, blank].any()
    rows, columns = np.nonzero((np.abs(holed - sound) > 1).any(0))
    halo = 4 * find("srresnet").seams.halo
    assert rows.min() >= 240 - halo
    assert rows.max() < 244 + halo
    assert columns.min() >= 280 - halo
    assert columns.max() < 284 + halo


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 40)] * 2), max_size=4))
@settings(max_examples=4, deadline=None)
def test_holes_of_any_shape_stay(
    tmp_path_factory: pytest.TempPathFactory, holes: list[tuple[int, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("holes")
    pixels = land(64, 80).clip(200)
    for top, left, height, width in holes:
        pixels[:, top : top + height, left : left + width] = 0
    rgb, valid = upscaled(
        geotiff(folder / "a.tif", pixels, nodata=0), model_of("bicubic", folder), folder / "out.tif", tile=16
    )
    np.testing.assert_array_equal(valid, (pixels[0] > 0).repeat(4, 0).repeat(4, 1))
    assert not rgb[~valid].any()
    assert not valid.any() or rgb[valid].min() > 15  # no black bled in: the darkest land is level 25


def test_a_products_empty_corner_is_blank(tmp_path: Path) -> None:
    dn = land(60, 60) + np.uint16(1000)
    dn[:, :, :25] = 0
    with open_scene(product(tmp_path, dn), reflectance_max=2000) as scene:
        upscale_scene(
            scene, model_of("bicubic", tmp_path), ONE, tmp_path / "out.tif", reflectance=True, tile=16
        )
    with rasterio.open(tmp_path / "out.tif") as file:
        assert (file.dtypes[0], file.nodata) == ("uint16", 0)
        numbers = file.read()
    assert not numbers[:, :, :100].any()
    assert numbers[:, :, 100:].min() > 1000


def test_the_same_scene_gives_the_same_bytes(tmp_path: Path, plain: Path) -> None:
    model = model_of("bicubic", tmp_path)
    for name in ("one.tif", "two.tif"):
        upscaled(plain, model, tmp_path / name, tile=64)
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()
    assert not list(tmp_path.rglob("rows-*"))  # nor does scratch stay


@pytest.mark.parametrize("name", ["bicubic", "hat"])
def test_a_run_that_ended_goes_on(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends at a damaged strip; once the file is as it was, only what is missing is computed."""
    if name == "hat":  # a small one, untrained
        torch.manual_seed(0)
        save(new_hat(12, 1, 1, 8).state_dict(), tmp_path)
    model = model_of(name, tmp_path)
    path = geotiff(tmp_path / "a.tif", land(120, 70), **STRIPS)
    sound, stamps = path.read_bytes(), path.stat()
    damage(path)
    os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    with pytest.raises(BadInput, match=r"a\.tif: damaged in rows"):
        upscaled(path, model, tmp_path / "out.tif", tile=32)
    kept = list(tmp_path.rglob("rows-*.tif"))
    assert 1 <= len(kept) <= 3
    path.write_bytes(sound)
    os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    capsys.readouterr()
    upscaled(path, model, tmp_path / "out.tif", tile=32)
    first = next(line for line in capsys.readouterr().err.split("\r") if "/12" in line)
    assert f"{3 * len(kept)}/12" in first  # 3 tiles a row, 4 rows
    went_on = (tmp_path / "out.tif").read_bytes()
    upscaled(path, model, tmp_path / "out.tif", tile=32)
    assert (tmp_path / "out.tif").read_bytes() == went_on


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = geotiff(tmp_path / "long.tif", land(960, 64))
    out = tmp_path / "out.tif"
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    values = {"sr": "bicubic", "tile": 32, "offset": 0, "scale": 10_000, "reflectance-max": 2000}
    options = [f"--{name}={value}" for name, value in values.items()]
    arguments = ["upscale", str(path), "-o", str(out), *options]
    call = [sys.executable, "-m", "srscene.cli", *arguments]
    with subprocess.Popen(call, cwd=tmp_path, stderr=subprocess.DEVNULL) as victim:
        while len(list(tmp_path.rglob("rows-*.tif"))) < 3:
            assert victim.poll() is None, "it ended before it was killed"
            time.sleep(0.002)
        victim.kill()
    assert not out.exists()
    done = len(list(tmp_path.rglob("rows-*.tif")))
    again = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True)
    first = next(line for line in again.stderr.split("\r") if "/60" in line)  # 30 rows of two tiles
    assert f"{2 * done}/60" in first
    went_on = out.read_bytes()
    shutil.rmtree(tmp_path / ".scratch")
    out.unlink()
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert out.read_bytes() == went_on


def test_rows_of_another_order_of_bands_are_not_gone_on_from(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "a.tif", land(120, 70), (None,) * 3, **STRIPS)
    model = model_of("none", tmp_path)
    sound, stamps = path.read_bytes(), path.stat()
    orders = [UNIT | {"bands": bands.split(",")} for bands in ("B02,B03,B04", "B04,B03,B02")]
    damage(path)
    os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    with pytest.raises(BadInput, match=r"a\.tif: damaged in rows"):
        upscaled(path, model, tmp_path / "out.tif", orders[0], tile=32)
    assert list(tmp_path.rglob("rows-*.tif"))
    path.write_bytes(sound)
    os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    rgb, _ = upscaled(path, model, tmp_path / "out.tif", orders[1], tile=32)
    with open_scene(path, **orders[1]) as scene:
        np.testing.assert_array_equal(rgb, scene.read(0, 0, 120, 70)[0])


def test_a_scene_is_not_overwritten(tmp_path: Path, plain: Path) -> None:
    before = plain.read_bytes()
    with pytest.raises(BadInput, match=r"plain\.tif: a file of the scene, which would be overwritten"):
        upscaled(plain, model_of("bicubic", tmp_path), plain)
    assert plain.read_bytes() == before


def test_damage_found_midway_leaves_no_file(tmp_path: Path, plain: Path) -> None:
    damage(geotiff(plain, land(120, 70), **STRIPS))
    with pytest.raises(
        BadInput, match=r"plain\.tif: damaged in rows .*; expected a whole scene; get it again"
    ):
        upscaled(plain, model_of("bicubic", tmp_path), tmp_path / "out.tif", tile=32)
    assert not list(tmp_path.glob("out.tif*"))


@pytest.mark.parametrize(("name", "tile", "least"), [("bicubic", 8, 16), ("hat", 16, 32)])
def test_a_tile_too_small(tmp_path: Path, plain: Path, name: str, tile: int, least: int) -> None:
    model = model_of(name, tmp_path, "hat_w16" if name == "hat" else None)
    with pytest.raises(BadInput, match=f"--tile {tile}: expected at least {least} for {name}"):
        upscaled(plain, model, tmp_path / "out.tif", tile=tile)


def test_the_command(tmp_path: Path, plain: Path) -> None:
    out = tmp_path / "out.tif"
    options = [
        "--sr",
        "bicubic",
        "--offset",
        "0",
        "--scale",
        "10000",
        "--dtype",
        "reflectance",
        "--tile",
        "64",
    ]
    done = CliRunner().invoke(app, ["upscale", str(plain), "-o", str(out), *options])
    assert done.exit_code == 0, done.output
    with rasterio.open(out) as file:
        assert (file.shape, file.dtypes[0]) == ((360, 600), "uint16")
    with pytest.raises(BadInput, match="sr: truth shows what a store holds; it can't upscale a scene"):
        CliRunner().invoke(
            app, ["upscale", str(plain), "-o", str(out), "--sr", "truth"], catch_exceptions=False
        )

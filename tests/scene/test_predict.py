"""srscene predict: from a scene to a map, without DVC, git or params.yaml, and one line for what can't be."""

import json
import os
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from typer.testing import CliRunner

from srscene.cli import app
from srscene.evaluate import model_card
from srscene.runtime.console import BadInput
from srscene.runtime.machine import Machine
from srscene.scene import cut, found, predict
from srscene.scene.grid import Grid
from srscene.scene.source import Scene
from tests.scene.trained import Trained, write_scene
from tests.scene.upscaling import STRIPS, damage

KNOWN = ("--offset", "0", "--scale", "10000")


@pytest.fixture
def here(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `models/` and a scene of 2 × 2 tiles and some land more, and nothing else."""
    shutil.copytree(trained.folder / "models", tmp_path / "models")
    write_scene(tmp_path / "scene.tif", trained.reflectance[:, :270, :250])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["predict", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def _refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["predict", *arguments])
    assert isinstance(result.exception, BadInput), result.output
    return str(result.exception)


def test_models_alone_are_enough(here: Path) -> None:
    said = _said("scene.tif", "-o", "map.gpkg", "--figure", "map.png", *KNOWN)
    assert "test_resnet in fp32 after srresnet in fp32; CPU" in said
    assert "4 tiles of 120 px (1.2 km), 120 px apart; labels from 0.5 on" in said
    assert "map.gpkg: 4 tiles; the last 10 px at the right and 30 px below fill no tile" in said
    info = pyogrio.read_info("map.gpkg")
    assert info["features"] == 4
    made = info["layer_metadata"]
    assert (made["sr"], made["scene_offset"], made["reflectance_max"]) == ("srresnet", "0, 0, 0", "2000")
    assert Path("map.png").stat().st_size > 10_000
    assert {file.name for file in here.iterdir()} == {
        "models",
        "scene.tif",
        "map.gpkg",
        "map.png",
        ".scratch",
    }
    assert not list(here.glob(".scratch/*/*"))


def test_the_raster_and_geojson_say_what_made_them_too(here: Path) -> None:
    _said("scene.tif", "-o", "map.tif", *KNOWN)
    _said("scene.tif", "-o", "map.geojson", *KNOWN)
    with rasterio.open("map.tif") as file:
        tags = file.tags()
    assert tags.items() >= json.loads(Path("map.geojson").read_text())["provenance"].items()
    assert json.loads(tags["upscaler_options"]) == {"precision": "fp32"}
    assert {"scene_bands", "scene_scale", "upscaler_precision", "classifier_precision"} <= tags.keys()


def test_the_model_card_s_threshold_is_taken_unless_another_is_given(here: Path) -> None:
    test = {"n": 12, "products": 3, "threshold": 0.15}
    model_card.write(here / "models/classifier/card.json", [], {}, test, here / "models/model_card.md")
    assert "labels from 0.15 on" in _said("scene.tif", "-o", "map.tif", *KNOWN)
    assert "labels from 0.4 on" in _said("scene.tif", "-o", "map.tif", "--threshold", "0.4", *KNOWN)


def test_a_tile_that_is_done_holds_no_pixels(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the block that it was cut from: of a whole product, these would be gigabytes."""
    monkeypatch.setattr(cut, "BLOCK", 120)
    blocks: list[weakref.ref[np.ndarray]] = []
    held: list[bool] = []

    def watched(scene: Scene, grid: Grid, start: int) -> Iterator[cut.Tile]:
        for tile in cut.cut(scene, grid, start):
            blocks.append(weakref.ref(tile.image if tile.image.base is None else tile.image.base))
            yield tile
            del tile
            held.append(blocks[0]() is not None)

    monkeypatch.setattr(predict, "cut", watched)
    monkeypatch.setattr(Machine, "batch", lambda *_: 1)
    _said("scene.tif", "-o", "map.tif", *KNOWN)
    assert len(held) == 4
    assert not held[-1]


@pytest.mark.parametrize("seconds", [0, 30])
def test_a_run_that_failed_goes_on_to_the_same_map(
    trained: Trained, here: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    monkeypatch.setattr(cut, "BLOCK", 120)
    monkeypatch.setattr(found, "SECONDS", seconds)
    monkeypatch.setattr(Machine, "batch", lambda *_: 1)
    scene = write_scene(here / "long.tif", trained.reflectance.reshape(3, -1, 120), **STRIPS)
    sound, stamps = scene.read_bytes(), scene.stat()
    damage(scene)
    os.utime(scene, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    assert "damaged in rows" in _refused("long.tif", "-o", "map.tif", *KNOWN)
    assert not (here / "map.tif").exists()
    done = int(sorted(here.rglob("tiles-*.npz"))[-1].stem.rpartition("-")[2])
    scene.write_bytes(sound)
    os.utime(scene, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    assert " 0/12 " in _said("long.tif", "-o", "other.tif", "--nodata", "1", *KNOWN).split("\r")[1]
    said = _said("long.tif", "-o", "map.tif", *KNOWN)
    assert f"{done}/12" in said.split("\r")[1]
    went_on = (here / "map.tif").read_bytes()
    assert not list(here.glob(".scratch/*/*"))
    _said("long.tif", "-o", "map.tif", *KNOWN)
    assert (here / "map.tif").read_bytes() == went_on


def test_half_a_stride_and_a_shift(here: Path) -> None:
    _said("scene.tif", "-o", "map.gpkg", "--stride", "half", "--shift", "10", *KNOWN)
    _, _, _, (rows, columns) = pyogrio.raw.read("map.gpkg", columns=["row", "column"])
    assert sorted(set(rows)) == [10, 70, 130]
    assert sorted(set(columns)) == [10, 70, 130]
    assert len(rows) == 9


def test_tiles_without_enough_data_are_left_out_and_counted(trained: Trained, here: Path) -> None:
    land = trained.reflectance[:, :240, :240].copy()
    land[:, :120, :30] = 0
    land[:, 120:, 235:] = 0
    write_scene(here / "holes.tif", land, nodata=0)
    assert "map.tif: 3 tiles; 1 skipped" in _said("holes.tif", "-o", "map.tif", *KNOWN)
    with rasterio.open("map.tif") as file:
        assert np.isnan(file.read()).all(0).tolist() == [[True, False], [False, False]]
    _said("holes.tif", "-o", "map.gpkg", "--valid", "0.5", *KNOWN)
    _, _, _, (shares,) = pyogrio.raw.read("map.gpkg", columns=["valid"])
    assert shares == pytest.approx([0.75, 1, 1, 1 - 5 / 120])
    write_scene(here / "mute.tif", land)
    assert "map.tif: 3 tiles; 1 skipped" in _said("mute.tif", "-o", "map.tif", "--nodata", "0", *KNOWN)
    write_scene(here / "empty.tif", 0 * land, nodata=0)
    assert "empty.tif: no tile has data in 95% of its pixels" in _refused(
        "empty.tif", "-o", "map.tif", *KNOWN
    )


def test_a_scene_with_the_wrong_offset_is_foreign(here: Path) -> None:
    assert "warning" not in _said("scene.tif", "-o", "map.tif", *KNOWN)
    assert "warning: the scene lies outside of what the model saw (B04 " in _said(
        "scene.tif", "-o", "map.tif", "--offset", "1000", "--scale", "10000"
    )


def test_a_card_without_statistics_compares_nothing(here: Path) -> None:
    card = here / "models/classifier/card.json"
    values = json.loads(card.read_text())
    del values["statistics"]
    card.write_text(json.dumps(values))
    said = _said("scene.tif", "-o", "map.geojson", *KNOWN)
    assert "tells nothing of its training images" in said
    found = json.loads(Path("map.geojson").read_text())
    assert found["features"][0]["properties"]["distance"] is None


@pytest.mark.parametrize("name", ["map.gpkg", "map.geojson", "map.tif", "map.png"])
def test_the_same_bytes_twice(here: Path, name: str) -> None:
    contents = []
    for _ in range(2):
        out = name if name != "map.png" else "map.tif"
        _said("scene.tif", "-o", out, *KNOWN, *(["--figure", name] if name == "map.png" else []))
        contents.append(Path(name).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "map.shp"], "map.shp: named .shp, expected one of .gpkg, .geojson, .tif"),
        (["-o", "map"], "map: named without a suffix, expected one of"),
        (["-o", "map.tif", "--figure", "map.pdf"], "map.pdf: named .pdf, expected one of .png"),
        (["-o", "scene.tif"], "scene.tif: a file of the scene, which would be overwritten"),
        (["-o", "folder.tif"], "folder.tif: a folder, expected the name of a file"),
        (["-o", "scene.tif/map.tif"], "scene.tif is a file, expected a folder"),
        (["-o", "map.tif", "--figure", "scene.tif/map.png"], "scene.tif is a file, expected a folder"),
        (["-o", "map.tif", "--stride", "third"], "--stride: 'third', expected half, full or pixels from 1"),
        (["-o", "map.tif", "--stride", "121"], "--stride: 121 pixels, expected 1 to 120"),
        (
            ["-o", "map.tif", "--shift", "200"],
            "270×250 pixels from pixel 200 on (--shift), expected at least",
        ),
        (["-o", "map.tif", "--model", "nowhere"], "nowhere/card.json: not there, expected a trained"),
        (["-o", "map.tif", "--upscaler", "nowhere"], "nowhere/weights.safetensors: not there, expected the"),
    ],
)
def test_what_can_t_be_is_one_line_and_no_file(
    here: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    (here / "folder.tif").mkdir()
    scene = (here / "scene.tif").read_bytes()
    assert message in _refused("scene.tif", *arguments, *KNOWN)
    assert {file.name for file in here.rglob("*.*")} == {
        "folder.tif", "scene.tif", "card.json", "model.safetensors", "weights.safetensors",
    }  # fmt: skip
    assert (here / "scene.tif").read_bytes() == scene


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"transform": Affine(20, 0, 399_960, 0, -20, 5_300_040)}, "20 × 20 m on the ground, expected 10 m"),
        (
            {"crs": "EPSG:3857", "transform": Affine(10, 0, 1_550_000, 0, -10, 6_446_000)},
            "pixels of 6.44 × 6.42 m on the ground, expected 10 m",
        ),
        ({"transform": Affine(10, 6, 399_960, 0, -8, 5_300_040)}, "slanted pixels, expected square ones"),
        ({"transform": Affine(10, 0, 1e9, 0, -10, 1e12)}, "nowhere on Earth (Point outside of projection"),
        (
            {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 14, 0, -1e-4, 48)},
            "pixels in degrees, expected 10 m",
        ),
    ],
)
def test_other_pixels_are_refused(trained: Trained, here: Path, profile: dict, message: str) -> None:
    write_scene(here / "other.tif", trained.reflectance[:, :120, :120], **profile)
    said = _refused("other.tif", "-o", "map.tif", *KNOWN)
    assert message in said
    assert "gdalwarp" in said or "rio edit-info" in said


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32733", Affine(10, 0, 300_000, 0, -10, 6_200_000)),
        ("EPSG:3035", Affine(10, 0, 4_321_000, 0, -10, 3_210_000)),
        ("EPSG:3857", Affine(15.56, 0, 1_550_000, 0, -15.56, 6_446_000)),  # 10 m at 50° north
        ("EPSG:32633", Affine(10, 0, 300_000, 0, 10, 5_000_000)),
        ("EPSG:32633", Affine(10, 0, 300_000, 0, -10, 5_000_000) @ Affine.rotation(20)),
    ],
)
def test_any_projected_crs_and_transform(trained: Trained, here: Path, crs: str, transform: Affine) -> None:
    write_scene(here / "other.tif", trained.reflectance[:, :120, :240], crs=crs, transform=transform)
    _said("other.tif", "-o", "map.gpkg", *KNOWN)
    info = pyogrio.read_info(here / "map.gpkg")
    assert info["crs"] == crs
    x, y = np.array([transform @ (column, row, 1) for column in (0, 240) for row in (0, 120)])[:, :2].T
    assert info["total_bounds"] == pytest.approx((x.min(), y.min(), x.max(), y.max()))


def test_a_scene_without_a_crs_gives_a_map_without_one(trained: Trained, here: Path) -> None:
    write_scene(here / "bare.tif", trained.reflectance[:, :120, :120], crs=None, transform=None)
    assert "bare.tif: no CRS: its pixels are taken for 10 m" in _said("bare.tif", "-o", "map.gpkg", *KNOWN)
    assert "the scene has no CRS" in _refused("bare.tif", "-o", "map.geojson", *KNOWN)

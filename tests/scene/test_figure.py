"""The picture of a map."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srscene.core.classes import CLASSES
from srscene.scene import figure
from srscene.scene.grid import Grid
from srscene.scene.source import open_scene
from tests.scene.maps import tile_map
from tests.scene.trained import write_scene

FLAGS = {"offset": 0, "scale": 10_000, "reflectance_max": 2000}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    land = np.random.default_rng(1).integers(1, 2000, (3, 370, 500), np.uint16)
    land[:, :120, :120] = 0
    return write_scene(tmp_path / "scene.tif", land, nodata=0)


def test_every_class_has_a_colour_of_its_own() -> None:
    assert len(set(figure.COLOURS)) == len(CLASSES)


@pytest.mark.parametrize("longest", [500, 120])
def test_a_large_scene_is_averaged_and_white_without_data(scene: Path, longest: int) -> None:
    with open_scene(scene, **FLAGS) as opened:
        image = figure.shrunk(opened, longest)
        whole, _ = opened.read(0, 0, 370, 500)
    factor = -(-500 // longest)
    assert image.shape == (370 // factor, 500 // factor, 3)
    assert (image[: 120 // factor, : 120 // factor] == 255).all()
    corner = whole[-factor - 370 % factor :, -factor:][:factor].mean((0, 1))
    assert np.abs(image[-1, -1] - corner).max() <= 0.5


def test_it_is_read_in_squares_that_give_the_same_picture(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full rows would decode each block of a JPEG 2000 file again and again."""
    with open_scene(scene, **FLAGS) as opened:
        whole = figure.shrunk(opened, 120)
        monkeypatch.setattr(figure, "BLOCK", 104)
        monkeypatch.setattr(opened, "read", read := Windows(opened.read))
        assert np.array_equal(figure.shrunk(opened, 120), whole)
    assert {max(sides) for sides in read.sizes} == {100}  # a multiple of the factor, 5
    assert sum(height * width for height, width in read.sizes) == 370 * 500


class Windows:
    """Reads, and notes heights and widths."""

    def __init__(self, read: Callable) -> None:
        self.read, self.sizes = read, []

    def __call__(self, row: int, column: int, height: int, width: int) -> tuple:
        self.sizes.append((height, width))
        return self.read(row, column, height, width)


def test_a_narrow_scene_keeps_a_row(tmp_path: Path) -> None:
    land = np.full((3, 7, 500), 800, np.uint16)
    with open_scene(write_scene(tmp_path / "narrow.tif", land), **FLAGS) as opened:
        assert figure.shrunk(opened, 10).shape == (1, 71, 3)


def _count(path: Path, colour: tuple[int, ...]) -> int:
    return int((np.abs(np.asarray(Image.open(path).convert("RGB")).astype(int) - colour).max(-1) < 6).sum())


def test_tiles_have_the_colour_of_their_most_probable_class(scene: Path, tmp_path: Path) -> None:
    """Over the white of no data, a colour is mixed with white alone."""
    probabilities = np.zeros((11, 19), np.float32)
    probabilities[:, 18] = 0.9
    tiles = tile_map(probabilities=probabilities)
    with open_scene(scene, **FLAGS) as opened:
        figure.draw(opened, tiles, tmp_path / "sure.png")
        figure.draw(opened, tile_map(probabilities=0.5 * probabilities), tmp_path / "unsure.png")
    blue = np.array((0x1F, 0x5F, 0xBF))
    sure = tuple((255 + (blue - 255) * figure.SURE).astype(int))
    unsure = tuple((255 + (blue - 255) * figure.UNSURE).astype(int))
    assert _count(tmp_path / "sure.png", sure) > 3000
    assert _count(tmp_path / "unsure.png", unsure) > 3000
    assert _count(tmp_path / "sure.png", unsure) < 100


def test_labels_fit_their_tiles_or_are_not_there() -> None:
    lines = figure._labels(tile_map(), 0, 12)
    assert lines
    assert max(map(len, lines)) <= 12 + len(" 0.00")
    assert figure._labels(tile_map(threshold=1), 0, 12) == ["none"]


@pytest.mark.parametrize("stride", [120, 20])
def test_the_same_bytes_twice(scene: Path, stride: int, tmp_path: Path) -> None:
    tiles = tile_map(Grid(370, 500, 120, stride))
    for name in ("a.png", "b.png"):
        with open_scene(scene, **FLAGS) as opened:
            figure.draw(opened, tiles, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    if keep := os.environ.get("KEEP_FIGURES"):  # to look at them
        (tmp_path / "a.png").rename(Path(keep) / f"map_{stride}.png")

"""Tiles cut from blocks that are read ahead, and what they show where there is no data."""

from pathlib import Path

import numpy as np
import pytest

from srscene.runtime.console import BadInput
from srscene.scene import cut as module
from srscene.scene.cut import Tile, cut
from srscene.scene.grid import lay
from srscene.scene.source import open_scene
from tests.scene.trained import write_scene

HEIGHT, WIDTH = 400, 310


@pytest.fixture
def land() -> np.ndarray:
    return np.random.default_rng(1).integers(1, 2000, (3, HEIGHT, WIDTH), np.uint16)


def _cut(path: Path, stride: int = 120, shift: int = 0) -> list[Tile]:
    with open_scene(path, offset=0, scale=10_000, reflectance_max=2000) as scene:
        return list(cut(scene, lay("scene", HEIGHT, WIDTH, 120, stride, shift)))


@pytest.mark.parametrize(("stride", "shift"), [(120, 0), (60, 0), (50, 23)])
@pytest.mark.parametrize("block", [1, 200, 10_000])
def test_tiles_are_windows_of_the_scene(
    land: np.ndarray, stride: int, shift: int, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    whole = (land.transpose(1, 2, 0) * 255.0 / 2000).astype(np.uint8)
    tiles = _cut(write_scene(tmp_path / "scene.tif", land), stride, shift)
    grid = lay("scene", HEIGHT, WIDTH, 120, stride, shift)
    assert sorted((tile.row, tile.column) for tile in tiles) == [
        (r, c) for r in grid.rows for c in grid.columns
    ]
    with open_scene(tmp_path / "scene.tif", offset=0, scale=10_000, reflectance_max=2000) as scene:
        for start in {1, len(tiles) // 2, len(tiles)}:
            rest = [(tile.row, tile.column) for tile in cut(scene, grid, start)]
            assert rest == [(tile.row, tile.column) for tile in tiles[start:]]
    for tile in tiles:
        window = whole[tile.row : tile.row + 120, tile.column : tile.column + 120]
        assert np.array_equal(tile.image, window)
        assert tile.valid == 1


def test_what_is_no_data_shows_the_nearest_that_is(land: np.ndarray, tmp_path: Path) -> None:
    land[:, :120, 100:120] = 0
    land[:, 120:240] = 0
    land[:, 300, 130] = 0
    tiles = _cut(write_scene(tmp_path / "scene.tif", land, nodata=0))
    shares = [tile.valid for tile in tiles]
    assert shares == pytest.approx([100 / 120, 1, 0, 0, 1, 1 - 1 / 14_400])
    assert np.array_equal(tiles[0].image[:, 100:], np.repeat(tiles[0].image[:, 99:100], 20, 1))
    assert not tiles[2].image.any()
    lone = tiles[5].image[58:63, 8:13]
    assert lone[2, 2].tolist() in [
        lone[2, 1].tolist(),
        lone[2, 3].tolist(),
        lone[1, 2].tolist(),
        lone[3, 2].tolist(),
    ]


def test_a_damaged_scene_is_one_line(land: np.ndarray, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = write_scene(tmp_path / "scene.tif", land, compress="deflate")
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"\xff" * 5000 + content[middle + 5000 :])
    with pytest.raises(BadInput, match=r"scene\.tif: damaged in rows"):
        _cut(path)
    assert capfd.readouterr().err == ""

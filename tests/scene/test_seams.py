"""Seams: how strong they are is measured rightly, and fading hides them without a change elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.scene import upscale
from srscene.scene.model import Model
from srscene.scene.rows import Rows
from srscene.scene.seams import fade, strength
from srscene.scene.source import open_scene
from srscene.sr.common.upscaler import Seams, find
from tests.scene.products import geotiff, land
from tests.scene.upscaling import UNIT, model_of, upscaled


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_fading_is_linear_and_leaves_alone_what_is_equal() -> None:
    old, new = np.zeros((4, 2, 3), np.uint8), np.full((4, 2, 3), 200, np.uint8)
    assert fade(old, new, 4)[:, 1, 2].tolist() == [25, 75, 125, 175]
    assert fade(old[:2], new[:2], 4)[:, 0, 0].tolist() == [25, 75]  # at the scene's edge
    every = np.arange(256, dtype=np.uint8).repeat(8).reshape(8, 256, 1)
    np.testing.assert_array_equal(fade(every, every, 8), every)


def seen(path: Path, pixels: np.ndarray, halo: int = 4) -> float | None:
    """The strength in a picture of twice a scene's size, whose tiles of 32 meet at 32 and 64."""
    with rasterio.open(geotiff(path, pixels)) as file:
        return strength(file, range(32, 96, 32), range(32, 96, 32), halo, 2)


def test_a_step_is_seen_where_tiles_meet_and_nowhere_else(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (3, 192, 192)).astype(np.uint8)
    tiles = np.add.outer(*[np.arange(192) // 64] * 2) % 2 * np.uint8(60)
    plain, stepped = seen(tmp_path / "plain.tif", noise), seen(tmp_path / "stepped.tif", noise + tiles)
    assert plain
    assert stepped
    assert 0.95 < plain < 1.05
    assert stepped > 1.1
    beside = seen(tmp_path / "beside.tif", np.roll(noise + tiles, 20, (1, 2)))
    assert beside
    assert beside < 1.0


def test_one_colour_and_one_tile_have_no_seam(tmp_path: Path) -> None:
    assert seen(tmp_path / "flat.tif", np.full((3, 192, 192), 7, np.uint8)) is None
    with rasterio.open(geotiff(tmp_path / "land.tif", land(60, 60))) as file:
        assert strength(file, range(32, 30, 32), range(32, 30, 32), 4, 2) is None


def told(path: Path, model: Model, capsys: pytest.CaptureFixture[str]) -> float:
    """What a run says of its seams, between tiles of 40."""
    upscaled(path, model, path.with_name("out.tif"), tile=40)
    return float(capsys.readouterr().out.split("gradients across its tiles' seams are ")[1].split()[0])


def test_seams_of_hat_are_not_to_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = geotiff(tmp_path / "a.tif", land(70, 110))
    assert 0.9 < told(path, model_of("hat", tmp_path, "hat_w16"), capsys) < 1.1


def toned(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
    """Enlarge, brighter where the whole is bright: like channel attention, it depends on all that it sees."""
    pictures = images.float() + images.float().mean((1, 2), keepdim=True) / 2
    return pictures.clamp(0, 255).byte().repeat_interleave(4, 1).repeat_interleave(4, 2)


def test_fading_hides_what_a_cut_would_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    darker = np.linspace(1, 0.2, 110)
    path = geotiff(tmp_path / "a.tif", (land(70, 110) * darker).astype(np.uint16))
    model = replace(model_of("hat", tmp_path, "hat_w16"), load=lambda device, precision: toned)
    assert 0.9 < told(path, model, capsys) < 1.1
    monkeypatch.setattr(upscale, "BlendedRows", Rows)
    assert told(path, model, capsys) > 1.1


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.lists(st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 40)] * 2), max_size=3),
)
@settings(max_examples=15, deadline=None)
def test_tiles_that_agree_fade_into_the_scene_itself(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, holes: list[tuple[int, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    pixels = land(height, width)
    for top, left, tall, wide in holes:
        pixels[:, top : top + tall, left : left + wide] = 0
    path = geotiff(folder / "a.tif", pixels, nodata=0)
    with open_scene(path, **UNIT) as scene:
        expected = scene.read(0, 0, height, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(find("none"), "seams", Seams(8, 16, blended=True))
        rgb, valid = upscaled(path, model_of("none", folder), folder / "out.tif")
    np.testing.assert_array_equal(valid, expected[1])
    np.testing.assert_array_equal(rgb, expected[0])

"""How figures are saved, and how a map of heat lies on a patch."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt

from srscene import figures


def draw(path: Path) -> tuple[bytes, bytes]:
    """Return a figure as PNG and as PDF."""
    figure, axes = plt.subplots()
    axes.plot([0, 1], [1, 0], label="a line")
    axes.legend()
    figures.save_for_print(figure, path)
    return path.read_bytes(), path.with_suffix(".pdf").read_bytes()


def test_a_figure_s_bytes_tell_neither_day_nor_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png, pdf = draw(tmp_path / "first.png")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")  # what a date in the file would be
    assert draw(tmp_path / "second.png") == (png, pdf)
    assert (png[:4], pdf[:4]) == (b"\x89PNG", b"%PDF")
    assert b"atplotlib" not in png + pdf
    assert len(list(tmp_path.iterdir())) == 4


def test_heat_rises_evenly_in_lightness_and_lets_nothing_show_as_nothing() -> None:
    colours = figures.HEAT(np.linspace(0, 1, 64))
    lightness = colours[:, :3] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()
    assert (np.diff(colours[:, 3]) > 0).all()
    assert colours[0, 3] == 0
    assert colours[-1, 3] < 1  # the patch shows below the hottest place too


def test_heat_hides_no_place_where_nothing_is_active() -> None:
    image = np.full((20, 20, 3), 128, np.uint8)
    heat = np.zeros((2, 2))
    heat[0, 1] = 3
    figure, axes = plt.subplots(figsize=(1, 1), dpi=40)
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    figures.show_heat(axes, image, heat, 3)
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)  # type: ignore[attr-defined]
    plt.close(figure)
    assert np.ptp(drawn[35, 5]) < 5  # grey
    assert drawn[5, 35, 0] > drawn[5, 35, 2] + 60  # yellow

"""Figures across upscalers: written twice alike, on a page, and true to what they were given."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srscene.compare.cell import Cell
from srscene.compare.significance import Difference
from srscene.core.classes import CLASSES, short_label
from srscene.figures import BLUE, GREY, ORANGE, WIDTH
from srscene.page import figures

LABELS = [short_label(name) for name in CLASSES]


def picture(side: int, colour: int = 90) -> np.ndarray:
    image = np.full((side, side, 3), colour, np.uint8)
    image[side // 2 :: 2, side // 2 :] = 200  # rich at the lower right
    return image


def difference(label: str, value: float | None, half: float | None = 0.05) -> Difference:
    low, high = (None, None) if value is None or half is None else (value - half, value + half)
    measure = f"ap {label}"
    return Difference(
        "hat-resnet50", "bicubic-resnet50", measure, (3, 3), 9, 0.02, 0.5, 0.5, value, low, high
    )


def cells(fidelity: dict[str, float], seeds: int = 2) -> list[Cell]:
    return [
        Cell(
            f"{sr}-{backbone}-s{seed}", sr, backbone, seed, {"macro_ap": 0.5 + 0.02 * number + 0.01 * seed},
            {}, {"psnr": fidelity[sr], "lr_psnr": 40 - number, "hallucination": 0.1 * number},
        )
        for number, sr in enumerate(fidelity)
        for backbone in ("resnet50", "resnet101")
        for seed in range(seeds)
    ]  # fmt: skip


def side_by_side(path: Path) -> None:
    pictures = {"none": picture(60), "hat": picture(240), "bicubic": picture(240)}
    figures.side_by_side({"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57": pictures}, path)


def attention(path: Path) -> None:
    heat = np.eye(4, dtype=np.float32)
    seen = {
        ("hat", "resnet50"): figures.Seen(picture(240), heat, 0.9, 0.25),
        ("none", "resnet50"): figures.Seen(picture(60), 0 * heat, 0.1, 0),
        ("none", "resnet101"): figures.Seen(picture(60), heat, 0.4, 0.25),
    }
    figures.attention(seen, "Marine waters", path)


def gain_per_class(path: Path) -> None:
    gains = [difference(label, None if number == 3 else number / 100) for number, label in enumerate(LABELS)]
    figures.gain_per_class({"hat": gains, "truth": gains}, "ap", "bicubic", "ResNet-50", path)


def fidelity_against_utility(path: Path) -> None:
    known = {"bicubic": 28.0, "srresnet": 30.0, "hat": 31.0, "seesr": 25.0}
    figures.fidelity_against_utility(cells(known), "bicubic", path)


@pytest.mark.parametrize("draw", [side_by_side, attention, gain_per_class, fidelity_against_utility])
def test_png_and_pdf_are_the_same_twice_and_fit_a_page(tmp_path: Path, draw: Callable[[Path], None]) -> None:
    draw(tmp_path / "first")
    draw(tmp_path / "second")
    for ending in ("png", "pdf"):
        first = (tmp_path / f"first.{ending}").read_bytes()
        assert first == (tmp_path / f"second.{ending}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4
    with Image.open(tmp_path / "first.png") as image:
        assert 2 < image.width / figures.DPI <= WIDTH + 0.01
        assert len(np.unique(np.asarray(image.convert("L")))) > 20


def test_neither_the_order_of_cells_nor_floor_and_ceiling_change_a_byte(tmp_path: Path) -> None:
    known = {"bicubic": 28.0, "srresnet": 30.0, "hat": 31.0}
    figures.fidelity_against_utility(cells(known), "bicubic", tmp_path / "a")
    more = cells({**known, "truth": 99.0, "none": 1.0})
    random.Random(0).shuffle(more)
    figures.fidelity_against_utility(more, "bicubic", tmp_path / "b")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_gain_is_the_mean_over_seeds_on_each_backbone_that_the_control_has() -> None:
    known = cells({"bicubic": 28, "hat": 31})
    alone = Cell("hat-vit-s0", "hat", "vit", 0, {"macro_ap": 0.9}, {})
    undefined = Cell("hat-resnet50-s9", "hat", "resnet50", 9, {"macro_ap": None}, {})
    gains = figures._gains([*known, alone, undefined], "bicubic")
    assert gains["hat"] == pytest.approx([0.02, 0.02])
    assert gains["bicubic"] == [0, 0]
    assert figures._gains(known, "truth") == {}


def test_nothing_is_told_of_fewer_than_four_points() -> None:
    """Points, not upscalers: the control is one."""
    assert figures.correlation([]) == "not measured"
    assert figures.correlation([(1, 1)]) == "too few points to tell (1)"
    assert figures.correlation([(1, 1), (2, 2), (3, 3)]) == "too few points to tell (3)"
    assert figures.correlation([(1, 9), (2, 7), (3, 4), (4, 1)]) == "Spearman's ρ = −1.00, 4 points"
    assert figures.correlation([(1, 1), (2, 4), (3, 9), (4, 8)]) == "Spearman's ρ = 0.80, 4 points"
    assert figures.correlation([(1, 5)] * 2 + [(2, 5)] * 2) == "4 points, all alike"


def test_classes_stand_by_mean_gain_and_undefined_ones_last() -> None:
    first = {"Pastures": difference("Pastures", 0.1), "Moors": difference("Moors", 0.3)}
    second = {"Pastures": difference("Pastures", 0.6), "Arable land": difference("Arable land", -0.2)}
    ordered = figures._sorted_classes([first, second])
    assert ordered[:3] == ["Pastures", "Moors", "Arable land"]
    assert sorted(ordered) == sorted(LABELS)


@pytest.mark.parametrize(
    ("value", "half", "colour"),
    [(0.1, 0.05, BLUE), (-0.1, 0.05, ORANGE), (0.1, 0.2, GREY), (0.1, None, GREY), (None, None, None)],
)
def test_only_an_interval_without_0_is_coloured(
    value: float | None, half: float | None, colour: str | None
) -> None:
    plt = figures.plt
    figure, axes = plt.subplots()
    figures._whisker(axes, 3, difference("Moors", value, half))
    assert {line.get_color() for line in axes.lines} == ({colour} if colour else set())
    assert [text.get_text() for text in axes.texts] == ([] if colour else ["–"])
    plt.close(figure)


def test_the_zoom_shows_the_same_field_at_every_size() -> None:
    plt = figures.plt
    figure, grid = plt.subplots(2, 2)
    place = np.array([0.5, 0.5, 0.3])
    for side, axes in ((120, grid[0]), (480, grid[1])):
        figures._show_zoomed(picture(side), place, *axes)
        shown = axes[1].images[0].get_array()
        assert shown.shape[:2] == (0.3 * side, 0.3 * side)
        assert np.array_equal(shown, picture(side)[side // 2 :, side // 2 :][: len(shown), : len(shown)])
    plt.close(figure)

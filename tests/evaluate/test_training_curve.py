"""The training's picture: what is read, which epoch is marked, what a damaged file is answered with."""

from pathlib import Path

import cv2
import pytest

from srscene.evaluate.training_curve import draw, read
from srscene.runtime.console import BadInput

HEADER = "epoch,train_loss,val_loss,val_macro_ap,learning_rate\n"
ROWS = ["1,0.41,,,0.001", "2,0.38,0.3,0.76,0.0005", "3,0.34,,,0.0002", "4,0.33,0.29,0.8,0"]


def written(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    file = folder / "training.csv"
    file.write_text(header + "".join(f"{row}\n" for row in rows))
    return file


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (ROWS, 4),
        ([*ROWS, "5,0.3,0.2,0.79,0"], 4),
        ([*ROWS, "5,0.3,0.2,0.8,0"], 4),  # no better: the first of equals is kept
        ([*ROWS, "5,0.3,0.2,0.81,0"], 5),
        ([ROWS[0], ROWS[2]], 3),  # never validated: the last
        (["1,0.4,0.3,,0.1", "2,0.3,0.2,,0.1"], 2),  # no label in the validation patches: the last
        (ROWS[:1], 1),
    ],
)
def test_the_kept_epoch_is_the_first_of_the_best(tmp_path: Path, rows: list[str], kept: int) -> None:
    training = read(written(tmp_path, rows))
    assert training.epoch[training.kept] == kept
    assert len(training.train_loss) == len(rows)


def orange(path: Path) -> int:
    """Return how many pixels have the colour of the mark of the kept epoch."""
    picture = cv2.imread(str(path))
    return int((abs(picture.astype(int) - (0x00, 0x5E, 0xD5)).sum(2) < 30).sum())


def test_the_picture_has_a_second_panel_where_epochs_were_validated(tmp_path: Path) -> None:
    for name, rows in {"a": ROWS, "b": ROWS, "none": [ROWS[0], ROWS[2]], "one": ROWS[:1]}.items():
        draw(read(written(tmp_path, rows)), "resnet50, sr: none", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert orange(tmp_path / "a.png") > 50
    assert orange(tmp_path / "none.png") == orange(tmp_path / "one.png") == 0
    widths = [cv2.imread(str(tmp_path / f"{name}.png")).shape[1] for name in ("a", "none")]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.05)


@pytest.mark.parametrize("loss", ["nan", "inf"])
def test_a_diverged_training_is_drawn_as_far_as_it_goes(tmp_path: Path, loss: str) -> None:
    draw(read(written(tmp_path, [*ROWS, f"5,{loss},{loss},,0"])), "resnet50", tmp_path / "some.png")
    draw(read(written(tmp_path, [f"1,{loss},,,0"])), "resnet50", tmp_path / "none.png")
    assert orange(tmp_path / "some.png") > 50


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        (ROWS, "epoch,loss\n"),
        ([], HEADER),
        ([], ""),
        ([*ROWS, "5,0.3"], HEADER),
        ([*ROWS, "5,0.3,much,0.8,0"], HEADER),
        (["1,0.4,0.3,0.7"], HEADER),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, rows: list[str], header: str) -> None:
    with pytest.raises(BadInput, match=r"training\.csv: .*expected a row for each epoch.*dvc repro") as error:
        read(written(tmp_path, rows, header))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"training\.csv: not there; expected a row for each epoch"):
        read(tmp_path / "training.csv")

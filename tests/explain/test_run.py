"""The whole stage on a real store and a real classifier's folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srscene.classify.artefact import WEIGHTS, ClassifierCard, save_card, save_weights
from srscene.classify.backbone import create, normalisation
from srscene.core.classes import CLASSES
from srscene.core.store import Patch, PatchStore, Split
from srscene.core.writer import write_store
from srscene.explain.figure import Row, draw, most_diverse
from srscene.explain.options import ExplainOptions
from srscene.explain.run import explain, predicted_or_top
from srscene.runtime.console import BadInput
from srscene.runtime.machine import Machine
from tests.options import section

BACKBONE = "resnet10t"


def make_store(folder: Path, side: int, test: int) -> PatchStore:
    random = np.random.default_rng(0)
    splits: list[Split] = ["train", *["test"] * test]
    patches = []
    for number, split in enumerate(splits):
        labels = (random.random(19) < 0.2).astype(np.uint8)
        labels[number % 19] = 1
        image = random.integers(0, 255, (side, side, 3), np.uint8)
        patches.append(Patch(f"patch-{number}", split, labels, image))
    write_store(folder, patches, {"sr": "none"})
    return PatchStore(folder)


def make_classifier(folder: Path, side: int) -> Path:
    folder.mkdir()
    torch.manual_seed(0)
    model = create(BACKBONE, side)
    mean, std = normalisation(model)
    save_weights(model, folder / WEIGHTS)
    card = ClassifierCard(
        backbone=BACKBONE, classes=CLASSES, image_size=side, window=side, mean=mean, std=std,
        pretrained=False, epochs=1, best_epoch=1, val_macro_ap=None, precision="fp32", images={"sr": "none"},
    )  # fmt: skip
    save_card(card, folder)
    return folder


def run(
    folder: Path, side: int = 96, test: int = 5, batch_size: int | str = "auto", **options: int
) -> dict[str, float]:
    if not (folder / "classifier").exists():
        make_classifier(folder / "classifier", side)
    explain(
        make_store(folder / "upscaled", side, test),
        folder / "classifier",
        section("explain", ExplainOptions, **options),
        section("machine", Machine, batch_size=batch_size),
        folder / "metrics/explain.json",
        folder / "plots/gradcam.png",
    )
    return json.loads((folder / "metrics/explain.json").read_text())


def test_numbers_and_figure_are_the_same_twice(tmp_path: Path) -> None:
    found = run(tmp_path, rows=2, columns=3)
    figure, printed = ((tmp_path / f"plots/gradcam.{kind}").read_bytes() for kind in ("png", "pdf"))
    assert found["patches"] == 5
    assert found["grid"] == 3
    assert found["cams"] >= 5
    assert 0 < found["coverage"] <= 1
    assert 0 < found["entropy"] <= 1
    assert run(tmp_path, rows=2, columns=3) == found
    assert (tmp_path / "plots/gradcam.png").read_bytes() == figure
    assert (tmp_path / "plots/gradcam.pdf").read_bytes() == printed
    assert b"Software" not in figure
    assert not list(tmp_path.rglob("*.tmp"))
    with Image.open(tmp_path / "plots/gradcam.png") as picture:
        assert picture.width > 700


def test_batch_size_changes_no_number(tmp_path: Path) -> None:
    assert run(tmp_path, batch_size=2) == pytest.approx(run(tmp_path, batch_size=5), abs=1e-4)


def test_more_patches_asked_for_than_there_are_and_one_alone(tmp_path: Path) -> None:
    found = run(tmp_path, test=1, patches=48, rows=4, columns=19)
    assert found["patches"] == 1


def test_no_test_patch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no test patch"):
        run(tmp_path, test=0)


def test_predicted_labels_or_the_top_one() -> None:
    probabilities = np.array([[0.1, 0.5, 0.9], [0.2, 0.4, 0.3]], np.float32)
    assert predicted_or_top(probabilities).tolist() == [[False, True, True], [False, True, False]]


def test_diverse_patches_show_new_labels_first() -> None:
    labels = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]], np.uint8)
    assert most_diverse(labels, 2) == [1, 4]
    assert sorted(most_diverse(labels, 9)) == [0, 1, 2, 3, 4]


def test_maps_are_drawn_on_their_own_scale_or_on_their_row_s(tmp_path: Path) -> None:
    maps = np.zeros((19, 3, 3), np.float32)
    maps[0, 0, 0], maps[1, 2, 2] = 4, 1
    labels = np.eye(1, 19, dtype=np.uint8)[0]
    row = Row(np.full((30, 30, 3), 90, np.uint8), labels, np.linspace(0.9, 0.1, 19, dtype=np.float32), maps)
    halved = row._replace(maps=maps / np.float32(2))
    pictures = {}
    for scale in ("map", "row"):
        for name, drawn in (("as it is", row), ("halved", halved)):
            draw([drawn], 2, "one title", tmp_path / "a.png", scale)
            with Image.open(tmp_path / "a.png") as picture:
                pixels = np.asarray(picture.convert("RGB")).astype(int)
            pictures[scale, name] = int((pixels[..., 0] > pixels[..., 2] + 120).sum())  # hot ones
        assert pictures[scale, "as it is"] == pictures[scale, "halved"]
    assert pictures["row", "as it is"] < pictures["map", "as it is"]

"""The model from two folders: rebuilt, or refused by what is missing."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srscene.evaluate import model_card
from srscene.runtime.console import BadInput
from srscene.scene.classifier import load, threshold_of
from tests.scene.trained import Trained

CPU = torch.device("cpu")


@pytest.fixture
def folders(trained: Trained, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of the models, and nothing else of the repository."""
    for folder in trained.models:
        shutil.copytree(folder, tmp_path / folder.name)
    return tmp_path / "classifier", tmp_path / "upscaler"


def _edit(card: Path, **images: Any) -> None:
    values = json.loads(card.read_text())
    values["images"] = {k: v for k, v in (values["images"] | images).items() if v is not ...}
    card.write_text(json.dumps(values))


def _refused(folders: tuple[Path, Path]) -> str:
    with pytest.raises(BadInput) as caught:
        load(*folders, CPU)
    return str(caught.value)


def test_it_makes_the_pipeline_s_own_pictures(trained: Trained, folders: tuple[Path, Path]) -> None:
    model = load(*folders, CPU)
    assert model.tile == 120
    patches, upscaled = trained.store("patches"), trained.store("upscaled")
    found = model.predict(patches.batch(range(4)), ["a", "b", "c", "d"])
    assert found.probabilities.shape == (4, 19)
    np.testing.assert_allclose(found.means, upscaled.batch(range(4)).mean((1, 2)), atol=0.01)


def test_a_folder_without_a_model_says_how_to_get_one(tmp_path: Path) -> None:
    said = _refused((tmp_path / "classifier", tmp_path / "upscaler"))
    assert "classifier/card.json: not there, expected a trained classifier's card; get both" in said
    assert "dvc get REPOSITORY models" in said


def test_missing_weights_of_the_upscaler_are_named(folders: tuple[Path, Path]) -> None:
    shutil.rmtree(folders[1])
    sha = json.loads((folders[0] / "card.json").read_text())["images"]["weights"]
    said = _refused(folders)
    assert (
        f"upscaler/weights.safetensors: not there, expected the weights of srresnet with sha256 {sha}" in said
    )


def test_other_weights_of_the_upscaler_are_named(folders: tuple[Path, Path]) -> None:
    _edit(folders[0] / "card.json", weights="12ab")
    assert "weights.safetensors: its sha256 is " in _refused(folders)
    assert "expected 12ab" in _refused(folders)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({"bands": ...}, "card.json: images: bands: Field required; expected what makes the model's input"),
        ({"reflectance_max": ...}, "images: reflectance_max: Field required"),
        ({"reflectance_max": 0}, "images: reflectance_max: Input should be greater than or equal to 1"),
        ({"precision": "fp8"}, "images: precision: Input should be 'fp32', 'bf16' or 'fp16'"),
        ({"bands": ["B08", "B04", "B03"]}, "trained on bands B08, B04, B03, expected B04, B03, B02"),
        ({"scale": 7}, "images of 480 pixels are no 7-fold of a tile"),
        ({"sr": "truth", "options": {}, "weights": None}, "sr: truth shows what a store holds"),
        ({"sr": "esrgan"}, "'esrgan' is no upscaler"),
    ],
)
def test_a_card_that_does_not_tell_is_refused(
    folders: tuple[Path, Path], images: dict[str, Any], message: str
) -> None:
    if images.get("sr") == "truth":
        shutil.rmtree(folders[1])
    _edit(folders[0] / "card.json", **images)
    assert message in _refused(folders)


@pytest.mark.parametrize("threshold", [0.5, 0.25, 0.07, 1e-5])
def test_the_threshold_is_the_one_that_evaluate_wrote_into_the_model_card(
    folders: tuple[Path, Path], threshold: float
) -> None:
    classifier, _ = folders
    assert threshold_of(classifier) == 0.5  # without one
    test = {"n": 12, "products": 3, "threshold": threshold}
    model_card.write(classifier / "card.json", [], {}, test, classifier.parent / "model_card.md")
    assert threshold_of(classifier) == threshold


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b"[]", b"{}", b'{"threshold": null}'])
def test_a_damaged_model_card_is_one_line(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "model_card.json").write_bytes(damaged)
    with pytest.raises(BadInput, match=r"model_card\.json: .*; expected a model card.*give --threshold"):
        threshold_of(tmp_path / "classifier")


def test_numbers_that_are_not_finite_name_the_tile(folders: tuple[Path, Path]) -> None:
    model = load(*folders, CPU)
    for weights in model._network.parameters():
        weights.data.fill_(1e30)
    with pytest.raises(BadInput, match=r"scene_0_120: the classifier's logits are not finite in fp32"):
        model.predict(np.full((1, 120, 120, 3), 90, np.uint8), ["scene_0_120"])

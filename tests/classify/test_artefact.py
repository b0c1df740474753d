"""The folder of a trained classifier: back as it was saved, refused where it is not whole."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from srscene.classify.artefact import ClassifierCard, load_classifier, save_card, save_weights
from srscene.classify.backbone import create
from srscene.core.classes import CLASSES
from srscene.runtime.console import BadInput
from tests.classify.stores import ATTRIBUTES

CPU = torch.device("cpu")
CARD = ClassifierCard(
    "test_resnet", CLASSES, 48, 40, (0.5, 0.4, 0.3), (0.1, 0.2, 0.3), False, 3, 2, 0.5, "fp32", ATTRIBUTES
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole classifier."""
    save_weights(create("test_resnet", 48), tmp_path / "model.safetensors")
    save_card(CARD, tmp_path)
    return tmp_path


def test_a_classifier_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model = create("test_resnet", 48).eval()
    save_weights(model.to(memory_format=torch.channels_last), tmp_path / "model.safetensors")  # type: ignore[call-overload]
    save_card(CARD, tmp_path)
    loaded, card = load_classifier(tmp_path, CPU)
    assert card == CARD
    assert not loaded.training
    images = torch.rand(2, 3, 48, 48)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))
    assert {file.name for file in tmp_path.iterdir()} == {"model.safetensors", "card.json"}


def test_a_card_from_before_statistics_were_noted_is_read(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    assert card.pop("statistics") is None
    (folder / "card.json").write_text(json.dumps(card))
    assert load_classifier(folder, CPU)[1] == CARD


def _refused(folder: Path) -> str:
    with pytest.raises(BadInput) as caught:
        load_classifier(folder, CPU)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_folder_without_a_classifier_is_refused(tmp_path: Path) -> None:
    assert "card.json: not there; expected a classifier's card; run `dvc repro train`" in _refused(tmp_path)


def test_classes_in_another_order_are_refused(folder: Path) -> None:
    save_card(replace(CARD, classes=tuple(sorted(CLASSES))), folder)
    assert "classes" in _refused(folder)


def test_half_the_weights_are_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    assert "model.safetensors: damaged (" in _refused(folder)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(folder: Path, value: float) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["fc.weight"][0, 0] = value
    save_file(weights, folder / "model.safetensors")
    assert "model.safetensors: fc.weight is not finite" in _refused(folder)


@pytest.mark.parametrize("change", [{"mean": None}, {"precision": "fp8"}])
def test_a_card_that_is_not_whole_is_refused(folder: Path, change: dict[str, object]) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | change))
    assert "card.json: damaged (" in _refused(folder)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe", b"", b"<html>", b"null"])
def test_what_is_no_card_is_refused(folder: Path, content: bytes) -> None:
    (folder / "card.json").write_bytes(content)
    assert "card.json: " in _refused(folder)


def test_the_weights_of_another_backbone_are_refused(folder: Path) -> None:
    save_weights(create("test_vit", 48), folder / "model.safetensors")
    assert "not the weights of the card's test_resnet" in _refused(folder)


@pytest.mark.parametrize("name", ["card.json", "model.safetensors"])
def test_a_folder_in_place_of_a_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert f"{name}: a folder" in _refused(folder)

"""Prediction: the probabilities of the whole images of val and test."""

from pathlib import Path

import numpy as np
import pytest
import torch

from srscene import predictions
from srscene.classify import backbone
from srscene.classify.backbone import Card, normalise
from srscene.classify.options import ClassifierOptions
from srscene.classify.predicting import predict
from srscene.console import BadInput
from srscene.labels import CLASSES


def _classifier(folder: Path, sr: str = "bicubic") -> tuple[torch.nn.Module, Card]:
    folder.mkdir()
    card = Card(
        "test_resnet", CLASSES, 48, 40, (0.5, 0.4, 0.3), (0.1, 0.2, 0.3), False, 3, 2, 0.5, "fp32",
        {"sr": sr, "scale": 4},
    )  # fmt: skip
    torch.manual_seed(0)
    model = backbone.create(card.backbone, card.image_size).eval()
    backbone.save_weights(model, folder / "model.safetensors")
    backbone.save_card(card, folder)
    return model, card


def test_probabilities_of_val_and_test_in_any_batch_size(
    make_store, options: ClassifierOptions, tmp_path: Path
) -> None:
    store = make_store(train=3, val=7, test=6)
    model, card = _classifier(tmp_path / "classifier")
    for batch_size in (1, 4, 100):
        out = tmp_path / f"{batch_size}.h5"
        predict(store, tmp_path / "classifier", options.model_copy(update={"batch_size": batch_size}), out)
        splits, attributes = predictions.read(out)
        assert attributes == {"sr": "bicubic", "backbone": "test_resnet"}
        assert set(splits) == {"val", "test"}
        for split, found in splits.items():
            indices = store.indices(split)  # type: ignore[arg-type]
            images = torch.from_numpy(np.stack([store[int(index)] for index in indices]))
            with torch.inference_mode():
                expected = model(normalise(images, card)).sigmoid().numpy()
            assert found.probabilities.dtype == np.float32
            np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
            assert np.array_equal(found.labels, store.labels[indices])
            assert found.names == [store.names[index] for index in indices]


def test_the_same_bytes_twice(make_store, options: ClassifierOptions, tmp_path: Path) -> None:
    store = make_store()
    _classifier(tmp_path / "classifier")
    for name in ("a.h5", "b.h5"):
        predict(store, tmp_path / "classifier", options, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_an_empty_split_gives_an_empty_group(make_store, options: ClassifierOptions, tmp_path: Path) -> None:
    _classifier(tmp_path / "classifier")
    predict(make_store(train=4, val=0, test=1), tmp_path / "classifier", options, tmp_path / "out.h5")
    splits, _ = predictions.read(tmp_path / "out.h5")
    assert splits["val"].probabilities.shape == (0, 19)
    assert splits["val"].names == []
    assert splits["test"].probabilities.shape == (1, 19)


def test_images_of_another_upscaler_are_refused(
    make_store, options: ClassifierOptions, tmp_path: Path
) -> None:
    _classifier(tmp_path / "classifier", sr="none")
    with pytest.raises(BadInput, match="trained on"):
        predict(make_store(), tmp_path / "classifier", options, tmp_path / "out.h5")

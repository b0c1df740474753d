"""Prediction: the probabilities of the whole images of val and test."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srscene.classify.artefact import save_card, save_weights
from srscene.classify.backbone import create
from srscene.classify.inference import normalise
from srscene.classify.predict import predict
from srscene.core import predictions
from srscene.runtime.console import BadInput
from srscene.runtime.machine import Machine
from srscene.runtime.parts import claimed, root
from tests.classify.stores import ATTRIBUTES
from tests.classify.test_artefact import CARD
from tests.options import section


def _classifier(folder: Path, **changes: Any) -> torch.nn.Module:
    folder.mkdir()
    torch.manual_seed(0)
    model = create(CARD.backbone, CARD.image_size).eval()
    save_weights(model, folder / "model.safetensors")
    save_card(replace(CARD, **changes), folder)
    return model


def test_probabilities_of_val_and_test_in_any_batch_size(make_store, tmp_path: Path) -> None:
    store = make_store(train=3, val=7, test=6)
    model = _classifier(tmp_path / "classifier")
    for batch_size in (1, 4, 100):
        out = tmp_path / f"{batch_size}.h5"
        predict(store, tmp_path / "classifier", section("machine", Machine, batch_size=batch_size), out)
        splits, attributes = predictions.read(out)
        assert attributes == {"sr": "bicubic", "backbone": "test_resnet"}
        assert set(splits) == {"val", "test"}
        for split, found in splits.items():
            indices = store.indices(split)
            images = torch.from_numpy(np.stack([store[int(index)] for index in indices]))
            with torch.inference_mode():
                expected = model(normalise(images, CARD)).sigmoid().numpy()
            assert found.probabilities.dtype == np.float32
            np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
            assert np.array_equal(found.labels, store.labels[indices])
            assert found.names == [store.names[index] for index in indices]


def test_it_computes_in_the_card_s_precision(make_store, machine: Machine, tmp_path: Path) -> None:
    store = make_store(train=3, val=0, test=6)
    model = _classifier(tmp_path / "classifier", precision="bf16")
    predict(store, tmp_path / "classifier", machine, tmp_path / "out.h5")
    found = predictions.read(tmp_path / "out.h5")[0]["test"].probabilities
    images = torch.from_numpy(store.batch(store.indices("test")))
    with torch.inference_mode():
        exact = model(normalise(images, CARD)).sigmoid().numpy()
        with torch.autocast("cpu", torch.bfloat16):
            expected = model(normalise(images, CARD)).float().sigmoid().numpy()
    error = np.abs(exact - expected).max()
    assert error > 1e-4
    np.testing.assert_allclose(found, expected, atol=error / 10)


def test_the_same_bytes_twice(make_store, machine: Machine, tmp_path: Path) -> None:
    store = make_store()
    _classifier(tmp_path / "classifier")
    for name in ("a.h5", "b.h5"):
        predict(store, tmp_path / "classifier", machine, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_an_empty_split_gives_an_empty_group(make_store, machine: Machine, tmp_path: Path) -> None:
    _classifier(tmp_path / "classifier")
    predict(make_store(train=4, val=0, test=1), tmp_path / "classifier", machine, tmp_path / "out.h5")
    splits, _ = predictions.read(tmp_path / "out.h5")
    assert splits["val"].probabilities.shape == (0, 19)
    assert splits["val"].names == []
    assert splits["test"].probabilities.shape == (1, 19)


def test_other_images_are_refused_by_what_differs(make_store, machine: Machine, tmp_path: Path) -> None:
    _classifier(tmp_path / "classifier", images=ATTRIBUTES | {"sr": "none", "weights": "12ab"})
    with pytest.raises(BadInput, match="trained on other images than") as caught:
        predict(make_store(), tmp_path / "classifier", machine, tmp_path / "out.h5")
    assert "sr 'none', now 'bicubic'; weights '12ab', now None" in str(caught.value)
    assert "bands" not in str(caught.value)


def test_logits_that_are_not_finite_are_one_line(make_store, machine: Machine, tmp_path: Path) -> None:
    model = _classifier(tmp_path / "classifier")
    for weights in model.parameters():
        weights.data.fill_(1e30)
    save_weights(model, tmp_path / "classifier/model.safetensors")
    with pytest.raises(BadInput, match=r"the logits of 2 of 2 patches are not finite, the first patch_003"):
        predict(make_store(train=3, val=2, test=1), tmp_path / "classifier", machine, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_the_training_s_finished_work_goes(
    make_store, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC has recorded it by then."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    _classifier(tmp_path / "classifier")
    with claimed("train", "done") as done:
        pass
    unfinished = root() / ".scratch/train/killed"
    unfinished.mkdir(parents=True)
    predict(make_store(train=1, val=1, test=1), tmp_path / "classifier", machine, tmp_path / "out.h5")
    assert not done.exists()
    assert unfinished.exists()

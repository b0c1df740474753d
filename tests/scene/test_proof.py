"""A scene laid of the test patches gives the pipeline's own tiles, probabilities and scores."""

from pathlib import Path

import numpy as np
import pyogrio
import pytest
import torch
from numpy.typing import NDArray

from srscene.core import predictions
from srscene.core.classes import decode
from srscene.core.predictions import Predictions
from srscene.core.store import PatchStore
from srscene.evaluate.metrics import measure
from srscene.scene.classifier import load
from srscene.scene.cut import cut
from srscene.scene.grid import lay
from srscene.scene.predict import Tiling, predict_scene
from srscene.scene.source import open_scene
from tests.scene.trained import COLUMNS, MACHINE, ROWS, SIDE, Trained, write_scene

ROUNDING = 5e-7
"""Of probabilities in fp32, between any batches; 4.5e-8 was measured, between 1 and 8."""
THRESHOLD = 0.3
BLOCK = 2 * SIDE
"""Read at once: the scene is larger."""


@pytest.fixture
def scene(trained: Trained, tmp_path: Path) -> Path:
    """The test patches edge to edge, and beyond them more land than fills no tile."""
    ragged = ((0, 0), (0, 50), (0, 30))
    return write_scene(tmp_path / "scene.tif", np.pad(trained.reflectance, ragged, "edge"))


def _places(store: PatchStore) -> list[int]:
    """Return, by rows of the scene, the index of each test patch: their names end with their number."""
    return sorted(store.indices("test"), key=lambda index: int(store.names[index].split("_")[-2]))


def test_tiles_are_the_ingested_patches_to_the_byte(
    trained: Trained, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srscene.scene.cut.BLOCK", BLOCK)
    patches = trained.store("patches")
    with open_scene(scene, offset=0, scale=10_000, reflectance_max=2000) as opened:
        tiles = list(cut(opened, lay("scene", opened.height, opened.width, SIDE, SIDE, 0)))
    tiles.sort(key=lambda tile: (tile.row, tile.column))
    assert [(tile.row, tile.column) for tile in tiles] == [
        (row * SIDE, column * SIDE) for row in range(ROWS) for column in range(COLUMNS)
    ]
    for tile, index in zip(tiles, _places(patches), strict=True):
        np.testing.assert_array_equal(tile.image, patches[index])


def _probabilities(path: Path) -> NDArray[np.float32]:
    _, _, _, columns = pyogrio.raw.read(path)
    return np.stack(columns[-19:], 1)


def _pipeline_s(trained: Trained) -> Predictions:
    """Return what the pipeline predicted, by rows of the scene."""
    found = predictions.read(trained.folder / "data" / "predictions.h5")[0]["test"]
    names = [trained.store("patches").names[index] for index in _places(trained.store("patches"))]
    order = [found.names.index(name) for name in names]
    return Predictions(found.probabilities[order], found.labels[order], names)


@pytest.mark.parametrize("batch_size", [1, 5, 8])  # the pipeline's was 1; 5 and 8 leave a rest
def test_probabilities_labels_and_scores_are_the_pipeline_s(
    trained: Trained, scene: Path, tmp_path: Path, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srscene.scene.cut.BLOCK", BLOCK)
    machine = MACHINE.model_copy(update={"batch_size": batch_size})
    out = tmp_path / "map.gpkg"
    model = load(*trained.models, torch.device("cpu"))
    with open_scene(scene, offset=0, scale=10_000, reflectance_max=2000) as opened:
        predict_scene(opened, model, machine, out, Tiling(), THRESHOLD)
    found, expected = _probabilities(out), _pipeline_s(trained)
    np.testing.assert_allclose(found, expected.probabilities, rtol=0, atol=ROUNDING)
    assert expected.probabilities.std(0).max() > 0.01  # tiles are told apart

    clear = np.abs(expected.probabilities - THRESHOLD).min() > ROUNDING
    assert clear, "a probability at the threshold itself"
    scores = measure(expected.labels, found >= THRESHOLD, found)
    own = measure(expected.labels, expected.probabilities >= THRESHOLD, expected.probabilities)
    assert own["f1"] is not None
    assert own["f1"] > 0.1
    assert scores["f1"] == own["f1"]

    _, _, _, columns = pyogrio.raw.read(out, columns=["labels"])
    texts = ["; ".join(decode((row >= THRESHOLD).astype(np.uint8))) for row in expected.probabilities]
    assert columns[0].tolist() == texts

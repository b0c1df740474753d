"""Training: it learns, repeats itself to the byte, survives a kill, and says what it cannot do."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import average_precision_score

from srscene.classify import backbone
from srscene.classify.options import ClassifierOptions
from srscene.classify.training import learning_rate, macro_average_precision, start_at_prior, train
from srscene.console import BadInput

BACKBONE = "test_resnet"  # half a million weights
PARAMS = {"backbone": BACKBONE, "seed": 1}
OUTPUTS = (
    "models/classifier/model.safetensors",
    "models/classifier/card.json",
    "plots/training.csv",
    "plots/training.png",
)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "here"))


def _train(
    store, options: ClassifierOptions, folder: Path, seed: int = 1, name: str = BACKBONE
) -> dict[str, bytes]:
    train(store, name, options, seed, folder / "models" / "classifier", folder / "plots")
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def test_it_learns_what_the_images_show(make_store, options: ClassifierOptions, tmp_path: Path) -> None:
    store = make_store(train=30, val=9)
    longer = options.model_copy(update={"epochs": 10, "validate_every": 5})
    _train(store, longer, tmp_path)
    with (tmp_path / "plots" / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(number) for number in range(1, 11)]
    assert float(rows[-1]["train_loss"]) < 0.5 * float(rows[0]["train_loss"])
    assert [bool(row["val_macro_ap"]) for row in rows] == [number in (5, 10) for number in range(1, 11)]
    card = json.loads((tmp_path / "models" / "classifier" / "card.json").read_text())
    assert card["val_macro_ap"] > 0.9
    assert card["images"] == {"sr": "bicubic", "scale": 4}
    assert card["window"] == 34


def test_same_seed_same_bytes_other_seed_other_weights(make_store, options, tmp_path: Path) -> None:
    store = make_store()
    first = _train(store, options, tmp_path / "a")
    assert _train(store, options, tmp_path / "b") == first
    other = _train(store, options, tmp_path / "c", seed=2)
    assert other[OUTPUTS[0]] != first[OUTPUTS[0]]


def test_a_killed_training_goes_on_to_the_same_bytes(make_store, options, tmp_path: Path) -> None:
    longer = options.model_copy(update={"epochs": 12})
    store = make_store()
    unbroken = _train(store, longer, tmp_path / "unbroken")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"classifier": longer.model_dump()}))
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = os.environ | {"DVC_ROOT": str(tmp_path), "PYTHONPATH": paths}
    command = [sys.executable, "-m", "stages.train"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as victim:
        while not list(tmp_path.glob(".scratch/train/*/checkpoint.pt")):
            assert victim.poll() is None, "it ended before its first checkpoint"
            time.sleep(0.002)
        victim.send_signal(signal.SIGKILL)
    assert victim.returncode == -signal.SIGKILL
    assert not (tmp_path / "models").exists()
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "going on after epoch" in again.stdout
    assert {name: (tmp_path / name).read_bytes() for name in OUTPUTS} == unbroken
    assert not list(tmp_path.glob(".scratch/train/*/*"))


def test_four_patches_and_no_validation(
    make_store, options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _train(make_store(train=4, val=0, test=1), options, tmp_path)
    assert "no validation patches" in capsys.readouterr().out
    card = json.loads((tmp_path / "models" / "classifier" / "card.json").read_text())
    assert card["best_epoch"] == 3
    assert card["val_macro_ap"] is None


def test_one_patch(make_store, options, tmp_path: Path) -> None:
    _train(make_store(train=1, val=1, test=0, side=64), options, tmp_path)


def test_nothing_to_train_on(make_store, options, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="train split is empty"):
        _train(make_store(train=0), options, tmp_path)


def test_the_smallest_window_is_said(
    make_store, options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = options.model_copy(update={"epochs": 1, "batch_size": 2})
    _train(make_store(train=2, val=0, test=0, side=80), options, tmp_path, name="test_vit")
    assert "windows of 80 px, the smallest that it takes, not 56" in capsys.readouterr().out


def test_it_starts_at_each_class_s_share_of_the_labels() -> None:
    model = backbone.create(BACKBONE, 48)
    labels = np.zeros((8, 19), np.uint8)
    labels[:4, 3] = 1
    labels[:, 5] = 1
    start_at_prior(model, labels)
    shares = model.get_classifier().bias.sigmoid().detach().numpy()
    np.testing.assert_allclose(shares[[0, 3, 5]], [0.1, 0.5, 0.9], atol=1e-6)


def test_learning_rate_climbs_then_falls_to_nothing(options: ClassifierOptions) -> None:
    options = options.model_copy(update={"epochs": 10, "warmup": 0.2})
    rates = [learning_rate(step, options, 10) for step in range(100)]
    assert np.argmax(rates) == 20
    assert max(rates) == options.learning_rate
    assert all(np.diff(rates[:21]) > 0)
    assert all(np.diff(rates[20:]) < 0)
    assert 0 < rates[-1] < 0.001 * options.learning_rate


def test_macro_average_precision_leaves_out_classes_without_positives() -> None:
    random = np.random.default_rng(0)
    labels = (random.random((30, 19)) < 0.2).astype(np.uint8)
    labels[:, [3, 7]] = 0
    scores = random.random((30, 19)).astype(np.float32)
    kept = [c for c in range(19) if c not in (3, 7)]
    expected = np.mean([average_precision_score(labels[:, c], scores[:, c]) for c in kept])
    assert macro_average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)
    assert macro_average_precision(np.zeros((5, 19), np.uint8), scores[:5]) is None

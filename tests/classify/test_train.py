"""Training: it learns, repeats itself to the byte, survives kills, and says what it cannot do."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from srscene.classify import checkpoint
from srscene.classify.checkpoint import Epoch, History
from srscene.classify.options import ClassifierOptions
from srscene.classify.predict import predict
from srscene.classify.train import _check, train
from srscene.core import predictions
from srscene.core.store import PatchStore
from srscene.runtime.console import BadInput
from srscene.runtime.machine import Machine
from tests.classify.stores import ATTRIBUTES, quick, write_store
from tests.options import section, written

BACKBONE = "test_resnet"  # half a million weights
OUTPUTS = ("models/classifier/model.safetensors", "models/classifier/card.json", "plots/training.csv")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "here"))


def _train(
    store: PatchStore, options: ClassifierOptions, folder: Path, seed: int = 1, name: str = BACKBONE
) -> dict[str, bytes]:
    out, curves = folder / "models" / "classifier", folder / "plots" / "training.csv"
    key = f"{store.digest} {name} {options} {seed}"
    train(store, name, options, seed, section("machine", Machine), out, curves, key)
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "plots" / "training.csv").open() as file:
        return list(csv.DictReader(file))


def _card(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "models" / "classifier" / "card.json").read_text())
    return card


class Stages:
    """Runs the repository's stages in a folder of their own, in one process or in two."""

    def __init__(self, folder: Path, options: ClassifierOptions, backbone: str = BACKBONE) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        values = {
            "backbone": backbone,
            "seed": 1,
            "classifier": options.model_dump(),
            "machine": {"batch_size": 1, "workers": "auto"},
        }
        (folder / "params.yaml").write_text(written(values))
        shutil.copy(ROOT / "dvc.yaml", folder)
        shutil.copytree(ROOT / "stages", folder / "stages")
        self.environment = os.environ | {"DVC_ROOT": str(folder), "PYTHONPATH": str(ROOT / "src")}

    def start(self, stage: str, processes: int = 1) -> "subprocess.Popen[str]":
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, *(launch if processes > 1 else []), "-m", f"stages.{stage}"]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, stage: str, processes: int = 1) -> str:
        """Run a stage to its end and return what it said."""
        with self.start(stage, processes) as process:
            said, errors = process.communicate()
        assert process.returncode == 0, errors
        return said


def test_it_learns_what_the_images_show(make_store, tmp_path: Path) -> None:
    store = make_store(train=30, val=9)
    _train(store, quick(epochs=10, validate_every=5), tmp_path)
    rows = _rows(tmp_path)
    assert [row["epoch"] for row in rows] == [str(number) for number in range(1, 11)]
    assert float(rows[-1]["train_loss"]) < 0.5 * float(rows[0]["train_loss"])
    assert [bool(row["val_macro_ap"]) for row in rows] == [number in (5, 10) for number in range(1, 11)]
    card = _card(tmp_path)
    assert card["val_macro_ap"] > 0.9
    assert card["images"] == ATTRIBUTES
    assert card["statistics"]["images"] == 30
    assert (card["training"]["train"], card["training"]["epochs"]) == (30, card["epochs"])
    assert card["training"]["threads"] == torch.get_num_threads()
    assert card["window"] == 34


def test_same_seed_same_bytes_other_seed_other_weights(
    make_store, options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    first = _train(store, options, tmp_path / "a")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "b"))  # else the finished one is published again
    assert _train(store, options, tmp_path / "b") == first
    other = _train(store, options, tmp_path / "c", seed=2)
    assert other[OUTPUTS[0]] != first[OUTPUTS[0]]


def test_a_killed_training_goes_on_to_the_same_bytes(
    make_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = quick(epochs=12)
    store = make_store()
    unbroken = _train(store, longer, tmp_path / "unbroken")
    stages = Stages(tmp_path, longer)
    with stages.start("train") as victim:
        while not list(tmp_path.glob(".scratch/train/*/checkpoint.pt")):
            assert victim.poll() is None, "it ended before its first checkpoint"
            time.sleep(0.002)
        victim.send_signal(signal.SIGKILL)
    assert victim.returncode == -signal.SIGKILL
    assert not (tmp_path / "models").exists()
    assert "going on after epoch" in stages.run("train")
    assert {name: (tmp_path / name).read_bytes() for name in OUTPUTS} == unbroken
    shutil.rmtree(tmp_path / "models")  # as DVC does, killed before it recorded the stage
    assert "going on after epoch 12 of 12" in stages.run("train")
    assert {name: (tmp_path / name).read_bytes() for name in OUTPUTS} == unbroken
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    predict(store, tmp_path / "models/classifier", section("machine", Machine), tmp_path / "predictions.h5")
    assert not list(tmp_path.glob(".scratch/train/*"))


def test_a_finished_training_is_published_again_at_once(
    make_store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a kill while DVC hashed the outs."""
    first = _train(make_store(), quick(), tmp_path)
    shutil.rmtree(tmp_path / "models")
    capsys.readouterr()
    assert _train(make_store(), quick(), tmp_path) == first
    assert "going on after epoch 3 of 3" in capsys.readouterr().out


def empty(file: Path) -> None:
    file.write_bytes(b"")


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [empty, truncate, flip, folder_instead])
@pytest.mark.parametrize("piece", ["checkpoint.pt", "epoch-*.safetensors"])
def test_a_damaged_piece_costs_no_byte(
    make_store, tmp_path: Path, piece: str, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    options = quick(epochs=2)
    store = make_store(train=4, val=0, test=0)  # no val: the last epoch is kept
    unbroken = _train(store, options, tmp_path)
    (file,) = (tmp_path / "here").glob(f".scratch/train/*/{piece}")
    damage(file)
    capsys.readouterr()
    assert _train(store, options, tmp_path) == unbroken
    said = capsys.readouterr().out
    assert said.count("not as it was written") == 1
    assert ("going on after epoch 2 of 2" in said) == (piece != "checkpoint.pt")
    assert file.is_file()


def test_a_damaged_best_epoch_that_is_not_the_last_is_trained_again(
    make_store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History()
    rows = [Epoch(1, 0.5, 0.5, 0.9, 0.1), Epoch(2, 0.5, 0.5, 0.8, 0.1)]
    model = torch.nn.Linear(2, 2)
    for row in rows:
        history.add(row)
        checkpoint.save(tmp_path, history, model, {})
    assert checkpoint.load(tmp_path) == (history, {})
    flip(tmp_path / "epoch-0001.safetensors")
    checkpoint.verify(tmp_path)
    assert "epoch-0001.safetensors: not as it was written" in capsys.readouterr().out
    assert checkpoint.load(tmp_path) is None


def test_a_training_that_diverges_is_one_line_and_keeps_the_epochs_before(make_store, tmp_path: Path) -> None:
    wild = quick(epochs=40).model_copy(update={"learning_rate": 1e30})  # params.yaml may have 10 at most
    with pytest.raises(
        BadInput, match=r"not finite from step \d+ on .*lower classifier.learning_rate"
    ) as error:
        _train(make_store(val=0), wild, tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "models").exists()
    for file in (tmp_path / "here").glob(".scratch/train/*/checkpoint.pt"):
        model = torch.load(file, weights_only=True)["model"]
        assert all(value.isfinite().all() for value in model.values())


def test_two_processes_train_and_predict_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # No batch normalisation, whose statistics are each process's own on CPUs; batches of 8, 8, 7 and 7.
    options = quick(crop=2 / 3, batch_size=8)
    stores = {
        processes: write_store(tmp_path / processes / "data" / "upscaled", train=30, val=9, test=8)
        for processes in ("1", "2")
    }
    _train(stores["1"], options, tmp_path / "1", name="test_vit")
    assert "2 processes" not in capsys.readouterr().out
    assert "2 processes" in Stages(tmp_path / "2", options, backbone="test_vit").run("train", 2)
    one, two = _rows(tmp_path / "1"), _rows(tmp_path / "2")
    for row, expected in zip(two, one, strict=True):
        values = {name: float(value) for name, value in row.items()}
        assert values == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-4)
    assert float(one[-1]["train_loss"]) < 0.9 * float(one[0]["train_loss"])

    alone, out = tmp_path / "alone.h5", tmp_path / "1" / "data" / "predictions.h5"
    predict(stores["1"], tmp_path / "1/models/classifier", section("machine", Machine, batch_size=1), alone)
    Stages(tmp_path / "1", options, backbone="test_vit").run("predict", 2)  # of the same classifier
    assert out.read_bytes() == alone.read_bytes()
    assert len(predictions.read(out)[0]["test"].names) == 8


def test_four_patches_and_no_validation(
    make_store, options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _train(make_store(train=4, val=0, test=1), options, tmp_path)
    assert "no validation patches" in capsys.readouterr().out
    card = _card(tmp_path)
    assert card["best_epoch"] == 3
    assert card["val_macro_ap"] is None


def test_one_patch(make_store, options, tmp_path: Path) -> None:
    _train(make_store(train=1, val=1, test=0, side=64), options, tmp_path)


def test_nothing_to_train_on(make_store, options, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="train split is empty"):
        _train(make_store(train=0), options, tmp_path)


@pytest.mark.parametrize(("train", "batch_size", "smallest"), [(40, 3, 2), (9, 4, 3), (40, 1, 1)])
def test_batches_of_fewer_patches_than_processes(
    make_store, train: int, batch_size: int, smallest: int
) -> None:
    store = make_store(train=train, val=0, test=0)
    _check(store, batch_size, smallest)
    expected = (
        rf"classifier\.batch_size: {batch_size} makes batches of {smallest} patches, expected one at least"
    )
    with pytest.raises(BadInput, match=expected):
        _check(store, batch_size, smallest + 1)


def test_the_smallest_window_is_said(make_store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _train(
        make_store(train=2, val=0, test=0, side=80), quick(epochs=1, batch_size=2), tmp_path, name="test_vit"
    )
    assert "windows of 80 px, the smallest that it takes, not 56" in capsys.readouterr().out


def test_fp16_without_a_gpu(make_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BadInput, match=r"classifier\.precision: fp16, but there is no GPU"):
        _train(make_store(), quick(precision="fp16"), tmp_path)

"""Stages in two processes: the same bytes each time, also of scratch that is damaged or that one of them does
not see, and a failure ends both.
"""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from srscene.classify.artefact import load_classifier
from srscene.classify.inference import logits
from srscene.classify.recipe import loss
from srscene.runtime.machine import Machine
from tests.classify.stores import quick, write_store
from tests.classify.test_train import OUTPUTS, Stages, flip, truncate
from tests.options import section
from tests.ports import free_port

SECONDS = 180
"""Within which two processes end, or wait for each other for ever."""


def _in_two(stages: Stages, stage: str, **of_the_second: str) -> tuple[list[int], list[str], list[str]]:
    """Run a stage in two processes, as torchrun starts them; return exit codes, outputs and errors.

    `of_the_second` are variables of its environment.
    """
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = []
    for rank, changes in (("0", {}), ("1", of_the_second)):
        environment = stages.environment | group | {"RANK": rank, "LOCAL_RANK": rank} | changes
        command = [sys.executable, "-m", f"stages.{stage}"]
        pipe = subprocess.PIPE
        processes.append(
            subprocess.Popen(command, cwd=stages.folder, env=environment, stdout=pipe, stderr=pipe, text=True)
        )
    try:
        said = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], [out for out, _ in said], [err for _, err in said]


def _outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def test_the_score_is_that_of_what_is_saved(tmp_path: Path) -> None:
    """Although each process has batch normalisation of its own."""
    stages = Stages(tmp_path, quick(epochs=2, batch_size=8))
    store = write_store(tmp_path / "data" / "upscaled", train=22, val=9, test=0)
    codes, _, errors = _in_two(stages, "train")
    assert codes == [0, 0], errors
    model, card = load_classifier(tmp_path / "models" / "classifier", torch.device("cpu"))
    val, machine = store.indices("val"), section("machine", Machine, batch_size=1)
    scores = torch.from_numpy(logits(model, card, store, val, machine))
    labels = torch.from_numpy(store.labels[val].astype(np.float32))
    with (tmp_path / "plots" / "training.csv").open() as file:
        row = list(csv.DictReader(file))[card.best_epoch - 1]
    assert float(loss(scores, labels)) == pytest.approx(float(row["val_loss"]), rel=2e-5)


def test_a_checkpoint_that_the_second_process_does_not_see(tmp_path: Path) -> None:
    """As on a network disk that shows it what was there before; the checkpoint is that of one process."""
    stages = Stages(tmp_path, quick(epochs=2, batch_size=4))
    write_store(tmp_path / "data" / "upscaled", train=8, val=0, test=0)
    stages.run("train")
    alone = _outputs(tmp_path)
    (work,) = tmp_path.glob(".scratch/train/*/")
    (tmp_path / "before" / work.relative_to(tmp_path)).mkdir(parents=True)
    codes, (said, _), errors = _in_two(stages, "train", DVC_ROOT=str(tmp_path / "before"))
    assert codes == [0, 0], errors
    assert "going on after epoch 2 of 2" in said
    assert _outputs(tmp_path) == alone


def test_damaged_scratch_costs_no_byte(tmp_path: Path) -> None:
    """Without its checkpoint all is trained again, in batches of 8, 7 and 7: the same bytes twice."""
    stages = Stages(tmp_path, quick(epochs=2, batch_size=8))
    write_store(tmp_path / "data" / "upscaled", train=22, val=0, test=0)  # no val: the last epoch is kept
    codes, _, errors = _in_two(stages, "train")
    assert codes == [0, 0], errors
    undisturbed = _outputs(tmp_path)
    damages: list[tuple[str, Callable[[Path], None]]] = [
        ("checkpoint.pt", flip),
        ("epoch-0002.safetensors", truncate),
    ]
    for piece, damage in damages:
        (file,) = tmp_path.glob(f".scratch/train/*/{piece}")
        damage(file)
        codes, (first, second), errors = _in_two(stages, "train")
        assert codes == [0, 0], errors
        assert first.count(f"{piece}: not as it was written") == 1
        assert "not as it was written" not in second
        assert ("going on after epoch 2 of 2" in first) == (piece != "checkpoint.pt")
        assert _outputs(tmp_path) == undisturbed


def test_a_training_that_diverges_ends_both(tmp_path: Path) -> None:
    wild = quick(epochs=40, batch_size=4, learning_rate=10.0, weight_decay=10.0)
    stages = Stages(tmp_path, wild)
    write_store(tmp_path / "data" / "upscaled", train=8, val=0, test=0)
    codes, _, errors = _in_two(stages, "train")
    assert codes == [1, 1]
    assert [error.count("error: test_resnet: not finite from step") for error in errors] == [1, 1]
    assert [error.count("error: ") for error in errors] == [1, 1], errors
    assert not any("Traceback" in error for error in errors)
    assert not (tmp_path / "models").exists()

"""A kill before any change to the disk costs no byte of a stage, and leaves no rubbish."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PUBLISHING = {
    "ingest": [
        "os.rename shard-00000.h5.tmp shard-00000.h5",
        "os.rename shard-00002.h5.tmp shard-00002.h5",
        "os.rename patches.tmp patches",
    ],
    "upscale": [
        "os.rename shard-00000.h5.tmp shard-00000.h5",
        "os.rename shard-00002.h5.tmp shard-00002.h5",
        "os.link shard-00000.h5 shard-00000.h5",
        "os.link shard-00002.h5 shard-00002.h5",
        "os.rename upscaled.tmp upscaled",
        "open finished",
    ],
    "fit": [
        "os.rename checkpoint.pt.tmp checkpoint.pt",
        "open finished",
        "os.rename card.json.tmp card.json",
        "os.rename upscaler.tmp upscaler",
    ],
    "train": [
        "os.rename epoch-0001.safetensors.tmp epoch-0001.safetensors",
        "os.rename checkpoint.pt.tmp checkpoint.pt",
        "os.rename epoch-0002.safetensors.tmp epoch-0002.safetensors",
        "os.rename checkpoint.pt.tmp checkpoint.pt",
        "os.rename training.csv.tmp training.csv",
        "open model.safetensors w",
        "os.rename card.json.tmp card.json",
        "os.rename classifier.tmp classifier",
        "open finished",
    ],
    "predict": ["os.rename predictions.h5.tmp predictions.h5"],
    "evaluate": [
        f"os.rename {name}.tmp {name}"
        for name in (
            "test.json", "constant.json", "classes.json", "intervals.json", "model_card.md",
            "model_card.json", "classes.csv", "classes.png",
            "precision_recall.csv", "precision_recall.png", "training.png",
        )
    ],
}  # fmt: skip
"""Changes that were killed before, in this order."""


Kills = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Kills:
    command = [sys.executable, "-m", "tests.kills", str(tmp_path_factory.mktemp("kills")), *PUBLISHING]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    report: Kills = json.loads(run.stdout)
    return report


@pytest.mark.parametrize("stage", PUBLISHING)
def test_a_kill_costs_no_byte(stage: str, kills: Kills) -> None:
    assert kills[stage]
    for kill in kills[stage]:
        assert kill["same"], kill
        if stage == "train":
            there = any(name.endswith("checkpoint.pt") for name in kill["left"])
            assert ("going on after epoch" in kill["said"]) == there, kill
    before = [kill["before"] for kill in kills[stage]]
    for change in PUBLISHING[stage]:
        assert change in before
        before = before[before.index(change) + 1 :]


def test_kills_at_random_moments_cost_no_byte(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.random_kills", str(tmp_path / "work"), "3", "upscale", "predict"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for stage, runs in json.loads(run.stdout).items():
        assert sum(len(killed["moments"]) for killed in runs) == 3
        for killed in runs:
            assert killed["same"], (stage, killed)
            assert not killed["rubbish"], (stage, killed)

"""A kill before any change to the disk costs no byte of a stage, and leaves no rubbish."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ("ingest", "upscale", "fit", "train", "predict", "evaluate")
Kills = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Kills:
    command = [sys.executable, "-m", "dev.kills", str(tmp_path_factory.mktemp("kills")), *STAGES]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    report: Kills = json.loads(run.stdout)
    return report


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_costs_no_byte(stage: str, kills: Kills) -> None:
    assert kills[stage]
    for kill in kills[stage]:
        assert kill["same"], kill


def test_kills_at_random_moments_cost_no_byte(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dev.random_kills", str(tmp_path / "work"), "3", "upscale", "predict"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for stage, runs in json.loads(run.stdout).items():
        assert sum(len(killed["moments"]) for killed in runs) == 3
        for killed in runs:
            assert killed["same"], (stage, killed)
            assert not killed["rubbish"], (stage, killed)

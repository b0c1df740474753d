"""SeeSR through the whole line, from a tiny checkpoint folder in the official layout."""

import json
import sys
from pathlib import Path

import pytest
from repository import Repo

pytestmark = pytest.mark.xdist_group("pipeline")

TINY_CHECKPOINT = Path(__file__).parents[1] / "sr/seesr/tiny_checkpoint.py"


def test_seesr_runs_from_its_weights_to_its_explanation(repo: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    repo.run(sys.executable, str(TINY_CHECKPOINT), str(folder))
    quick = {"steps": 1, "precision": "fp32", "process_size": 480, "tile": 16, "tile_overlap": 0}
    repo.set(sr="seesr", upscalers={"seesr": {"weights": str(folder), **quick}})
    assert repo.repro() == {"weights", "upscale", "assess", "train", "predict", "evaluate", "explain"}
    upscaling = json.loads((repo.folder / "metrics/upscaling.json").read_text())
    assert (upscaling["sr"], upscaling["scale"]) == ("seesr", 4)
    repo.run("git", "checkout", "-q", ".")
    assert repo.repro() == set()

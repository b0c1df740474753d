"""The rehearsal at full size, on a few patches: every stage gets its names, and a process is measured."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import plan, scale
from benchmarks.scale_stages import STAGES, names
from srscene.core import predictions
from srscene.core.store import PatchStore


def test_the_stages_pass_the_official_names_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    listed = names(tmp_path, 60)
    for stage in ("ingest", "upscale, bicubic", "assess", "train, an epoch", "predict", "evaluate"):
        STAGES[stage](tmp_path, 60)()
    upscaled = PatchStore(tmp_path / "upscaled")
    assert (upscaled.names, upscaled.image_shape) == (sorted(listed), (32, 32, 3))
    tested = predictions.read(tmp_path / "p.h5")[0]["test"].names
    assert tested == [name for name in upscaled.names if listed[name].split == "test"]
    assert (tmp_path / "test.json").exists()


def test_an_even_part_of_the_official_lists(tmp_path: Path) -> None:
    splits = [entry.split for entry in names(tmp_path, 1000).values()]
    assert len(splits) == 1000
    assert [splits.count(split) / 1000 for split in ("train", "val", "test")] == pytest.approx(
        [0.52, 0.24, 0.24], abs=0.03
    )


def test_a_process_is_measured_from_outside(tmp_path: Path) -> None:
    taken = scale.measured("find a tree's patches", tmp_path, 50)
    assert taken.seconds > 0
    assert 10 < taken.memory < 4000


def test_the_failure_of_a_stage_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)evaluate: .*p\.h5: not there"):
        scale.measured("evaluate", tmp_path, 50)


def test_growth() -> None:
    taken = {10: scale.Taken(1, 100), 100: scale.Taken(10, 100), 1000: scale.Taken(200, 101)}
    assert scale.growth(taken) == ("2.00×", "1,059 bytes")


def test_a_stage_of_the_plan_is_as_slow_as_what_bounds_it() -> None:
    hour = plan.PEAK * plan.GPUS * 3600
    assert plan.stage("a", 1, flop=hour, cores=3600)[2:4] == (1, "GPUs")
    assert plan.stage("a", 1, flop=hour, cores=2 * 3600 * plan.CORES)[2:4] == (2, "cores")


def test_the_plan_has_every_cell() -> None:
    found = list(plan.plan(3))
    assert sum(stage.runs for stage in found if stage.name.startswith("train")) == 24 * 3
    assert sum(stage.runs for stage in found if stage.name.startswith("upscale")) == 6
    assert np.isfinite([stage.hours for stage in found]).all()
    assert plan.table(found).splitlines()[-1].startswith("| **all**")

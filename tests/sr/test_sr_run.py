"""The runner and the two stages, as a user meets them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sr_data import checkpoint, images, store

from srscene.sr import run
from srscene.sr.run import upscale_store
from srscene.sr.upscaler import Upscale, find
from srscene.store import PatchStore

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()


def upscale(name: str, patches: PatchStore, out: Path, **options: object) -> PatchStore:
    upscaler = find(name)
    upscale_store(name, upscaler, upscaler.options(**options), patches, Path("weights"), out)
    return PatchStore(out)


def test_everything_but_the_size_stays(tmp_path: Path) -> None:
    patches = store(tmp_path / "p", images(7, 12, 12), images(7, 48, 48))
    result = upscale("bicubic", patches, tmp_path / "out", batch_size=2, shard_size=3)
    assert [len(indices) for indices in result.shard_ranges()] == [3, 3, 1]
    assert result.names == patches.names
    assert np.array_equal(result.labels, patches.labels)
    assert np.array_equal(result.split, patches.split)
    assert result.image_shape == (48, 48, 3)
    assert not result.has_reference
    assert result.attributes == {"sr": "bicubic", "scale": 4, "precision": "fp32", "weights": None}


def test_none_changes_no_byte(tmp_path: Path) -> None:
    patches = store(tmp_path / "p", images(5, 12, 12))
    result = upscale("none", patches, tmp_path / "out", batch_size=2)
    assert all(np.array_equal(one, other) for one, other in zip(result, patches, strict=True))
    assert result.attributes["scale"] == 1


@pytest.mark.parametrize(("batch_size", "shard_size"), [(1, 7), (3, 7), (7, 2), (2, 3)])
def test_bicubic_does_not_depend_on_batches_and_shards(
    tmp_path: Path, batch_size: int, shard_size: int
) -> None:
    patches = store(tmp_path / "p", images(7, 12, 12))
    reference = upscale("bicubic", patches, tmp_path / "reference", batch_size=1, shard_size=1)
    result = upscale("bicubic", patches, tmp_path / "out", batch_size=batch_size, shard_size=shard_size)
    assert all(np.array_equal(one, other) for one, other in zip(result, reference, strict=True))


def test_attributes_hold_the_weights_hash(tmp_path: Path) -> None:
    checkpoint("msrresnet", tmp_path / "weights/weights.safetensors")
    result = upscale("srresnet", store(tmp_path / "p", images(2, 12, 12)), tmp_path / "out", precision="fp32")
    assert len(result.attributes["weights"]) == 64


KILLED = """
from pathlib import Path
from srscene.sr import run
from srscene.sr.run import upscale_store
from srscene.sr.upscaler import Upscale, find
from srscene.store import PatchStore
upscaler = find("realesrgan")
options = upscaler.options(precision="fp32", batch_size=2, shard_size=3)
upscale_store("realesrgan", upscaler, options, PatchStore("p"), Path("weights"), Path("out"))
"""


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint("rrdbnet", tmp_path / "weights/weights.safetensors")
    patches = store(tmp_path / "p", images(40, 24, 24))
    options = {"precision": "fp32", "batch_size": 2, "shard_size": 3}
    process = subprocess.Popen([sys.executable, "-c", KILLED], cwd=tmp_path)
    try:
        while len(list(tmp_path.glob(".scratch/upscale/*/shard-*.h5"))) < 2:
            assert process.poll() is None, "ended before it could be killed"
            time.sleep(0.005)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    finished = {file.name: file.stat().st_mtime_ns for file in tmp_path.glob(".scratch/upscale/*/shard-*.h5")}

    upscale("realesrgan", patches, tmp_path / "out", **options)
    assert f"{40 - 3 * len(finished)} of 40 patches to do" in capsys.readouterr().out
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == when for name, when in finished.items())
    upscale("realesrgan", patches, tmp_path / "whole", **options)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class Failing:
    """An upscaler that loads, and fails at the patch called `patch_2`."""

    gpu_precision = "fp32"

    def load(self, *_: object) -> Upscale:
        def upscale(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            if "patch_2" in names:
                raise RuntimeError("as planned")
            return images

        return upscale


def test_finished_work_counts_for_the_same_patches_and_options_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patches = store(tmp_path / "p", images(4, 12, 12))
    upscaler = find("none")

    def left(patches: PatchStore, **options: object) -> str:
        chosen = upscaler.options(shard_size=2, **options)
        with pytest.raises(RuntimeError, match="as planned"):
            upscale_store("none", Failing(), chosen, patches, Path("weights"), tmp_path / "out")  # type: ignore[arg-type]
        return capsys.readouterr().out.split(": ")[-1].strip()

    assert left(patches) == "4 of 4 patches to do"
    assert left(patches) == "2 of 4 patches to do"
    assert left(patches, batch_size=2) == "4 of 4 patches to do"
    assert left(store(tmp_path / "q", images(4, 12, 12, seed=1))) == "4 of 4 patches to do"
    (tmp_path / "weights/weights.safetensors").write_bytes(b"new")
    assert left(patches) == "4 of 4 patches to do"
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".scratch/upscale/*/*.tmp"))


def stage(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"stages.{name}"],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def project(folder: Path, sr: str) -> None:
    """This repository's stages and params.yaml, with another `sr`."""
    shutil.copytree(ROOT / "stages", folder / "stages")
    params = (ROOT / "params.yaml").read_text()
    assert "\nsr: srresnet " in params
    (folder / "params.yaml").write_text(params.replace("\nsr: srresnet ", f"\nsr: {sr} "))


def test_the_stages_make_their_outs(tmp_path: Path) -> None:
    project(tmp_path, "bicubic")
    store(tmp_path / "data/patches", images(3, 12, 12))
    for name in ("weights", "upscale"):
        done = stage(name, tmp_path)
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "models/upscaler/card.json").read_text())["source"] == "none"
    assert PatchStore(tmp_path / "data/upscaled").image_shape == (48, 48, 3)
    assert not (tmp_path / "models/upscaler.tmp").exists()


def test_official_weights_without_a_network(tmp_path: Path) -> None:
    """One line that says what to download and where to put it. The closed port stands for no network."""
    project(tmp_path, "hat")
    store(tmp_path / "data/patches", images(3, 12, 12))
    done = stage("weights", tmp_path, https_proxy="http://127.0.0.1:9", no_proxy="")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    for part in (
        "error: checkpoints/HAT_SRx4_ImageNet-pretrain.pth: not there",
        "github.com/XPixelGroup",
        "4ee053c4",
    ):
        assert part in done.stderr
    assert not (tmp_path / "models/upscaler").exists()


def test_an_upscalers_data_counts_as_its_code() -> None:
    names = {file.name for file in run._code("seesr")}
    assert {"run.py", "tagger.py", "ram_tag_list.txt"} <= names
    assert not any(name.endswith(".pyc") for name in names)

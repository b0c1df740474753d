"""Fitting an upscaler: it learns, it is reproducible, and a kill changes nothing."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from srscene.core.store import Patch, PatchStore, Split
from srscene.core.writer import write_store
from srscene.runtime.console import BadInput
from srscene.sr.common.checkpoints import weights_file
from srscene.sr.common.upscaler import Card, find
from srscene.sr.hat.weights import prepare as prepare_hat
from srscene.sr.srresnet.model.network import new
from srscene.sr.srresnet.weights import prepare as prepare_srresnet
from srscene.sr.weights.fit import degrade, fit, pair, schedule
from tests.sr.sr_data import images, store, upscale_options, weights_options

SMALL = {
    "features": 8, "blocks": 1, "steps": 120, "batch_size": 2, "crop": 8, "learning_rate": 0.003,
    "precision": "fp32",
}  # fmt: skip


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)


def prepare(patches: PatchStore, folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Fit the smallest network, with some options replaced; return the file of its weights."""
    options = weights_options("srresnet", source="fit", fit=SMALL | changes)
    prepare_srresnet(options, patches, seed, folder, f"{patches.digest} {options} {seed}")
    return weights_file(folder)


def fitted(patches: PatchStore, **changes: Any) -> Card:
    options = weights_options("srresnet", fit=SMALL | changes).fit
    return fit(
        partial(new, options.features, options.blocks), patches, options, 0, f"{patches.digest} {options}"
    )[1]


def referenced(folder: Path, count: int = 9, side: int = 96) -> PatchStore:
    high = images(count, side, side)
    return store(folder, np.stack([degrade(image) for image in high]), high)


@pytest.mark.parametrize("with_references", [True, False])
def test_it_beats_bicubic(with_references: bool, tmp_path: Path) -> None:
    """On edges blurred as the training patches are, against references and by Wald's protocol."""
    patches = referenced(tmp_path / "a") if with_references else store(tmp_path / "b", images(9, 96, 96))
    card = fitted(patches, features=16, blocks=2, steps=250, batch_size=4, crop=12)
    assert card["patches"] == 3
    assert card["val"]["psnr"] > card["val"]["psnr_bicubic"] + 0.3, card


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    patches = referenced(tmp_path / "patches")
    first = prepare(patches, tmp_path / "1").read_bytes()
    assert prepare(patches, tmp_path / "2").read_bytes() == first
    assert prepare(patches, tmp_path / "3", seed=1).read_bytes() != first


KILLED = """
import sys
from pathlib import Path
from srscene.core.store import PatchStore
from srscene.sr.srresnet.options import WeightsOptions
from srscene.sr.srresnet.weights import prepare
options = WeightsOptions.model_validate_json(sys.argv[1])
prepare(options, PatchStore("patches"), 0, Path("killed"), sys.argv[2])
"""


def test_a_killed_fit_goes_on_to_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patches = referenced(tmp_path / "patches")
    options = weights_options("srresnet", source="fit", fit=SMALL | {"steps": 600})
    command = [sys.executable, "-c", KILLED, options.model_dump_json(), f"{patches.digest} {options} 0"]
    process = subprocess.Popen(command, cwd=tmp_path)
    try:
        while not list(tmp_path.glob(".scratch/weights/*/checkpoint.pt")):
            assert process.poll() is None, "ended before its first checkpoint"
            time.sleep(0.005)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    done = torch.load(next(tmp_path.glob(".scratch/weights/*/checkpoint.pt")), weights_only=True)["step"]
    assert 0 < done < 600

    resumed = load_file(prepare(PatchStore("patches"), tmp_path / "killed", steps=600))
    assert f"{done}/600" in capsys.readouterr().err
    whole = load_file(prepare(patches, tmp_path / "whole", steps=600))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_hat_can_be_fitted(tmp_path: Path) -> None:
    small = {"features": 12, "groups": 1, "blocks": 2, "window": 4, "steps": 2, "batch_size": 1, "crop": 8}
    options = weights_options("hat", source="fit", fit=small | {"precision": "fp32"})
    prepare_hat(options, store(tmp_path / "p", images(3, 40, 40)), 0, tmp_path, "test")
    upscale = find("hat").load(upscale_options("hat"), tmp_path, torch.device("cpu"), "fp32")
    assert upscale(torch.zeros(1, 10, 10, 3, dtype=torch.uint8), ["a"]).shape == (1, 40, 40, 3)


def test_without_a_train_split(tmp_path: Path) -> None:
    write_split(tmp_path / "p", "test")
    with pytest.raises(BadInput, match="no patch in its train split"):
        prepare(PatchStore(tmp_path / "p"), tmp_path)


def test_without_a_val_split(tmp_path: Path) -> None:
    write_split(tmp_path / "p", "train")
    assert fitted(PatchStore(tmp_path / "p"), steps=1)["val"] is None


def write_split(folder: Path, split: Split) -> None:
    write_store(folder, [Patch("a", split, np.zeros(19, np.uint8), images(1, 40, 40)[0])], {})


def test_fp16_cannot_fit() -> None:
    with pytest.raises(BadInput, match=r"fit.precision: there is no 'fp16'; .*known: auto, fp32, bf16"):
        weights_options("srresnet", fit={"precision": "fp16"})


def test_bf16_is_another_fit(tmp_path: Path) -> None:
    """It is not taken up from the checkpoint of fp32, and rounds differently."""
    patches = referenced(tmp_path / "patches")
    exact = prepare(patches, tmp_path / "fp32", steps=3).read_bytes()
    assert prepare(patches, tmp_path / "bf16", steps=3, precision="bf16").read_bytes() != exact


def test_without_a_seed(tmp_path: Path) -> None:
    options = weights_options("srresnet", source="fit", fit=SMALL)
    with pytest.raises(ValueError, match="a fit needs a seed"):
        prepare_srresnet(options, referenced(tmp_path / "patches"), None, tmp_path, "test")


def test_wald_pairs_are_cut_to_whole_coarse_pixels(tmp_path: Path) -> None:
    low, high = pair(store(tmp_path, images(3, 43, 50)), 0)
    assert (low.shape, high.shape) == ((10, 12, 3), (40, 48, 3))


@given(st.integers(0, 255))
@settings(max_examples=10, deadline=None)
def test_degrading_keeps_a_plain_colour(value: int) -> None:
    assert (degrade(np.full((48, 64, 3), value, np.uint8)) == value).all()


def test_degrading_keeps_positions_and_channels() -> None:
    """A ramp stays one, and a coarse pixel has its centre where its four fine pixels have theirs."""
    ramp = np.broadcast_to(np.arange(120, dtype=np.uint8)[:, None], (120, 120))
    image = np.stack([ramp, ramp.T, np.full_like(ramp, 7)], -1)
    low = degrade(image)[6:-6, 6:-6].astype(float)
    centres = 4 * np.arange(30)[6:-6] + 1.5
    assert np.abs(low[..., 0] - centres[:, None]).max() <= 0.5
    assert np.abs(low[..., 1] - centres[None, :]).max() <= 0.5
    assert (low[..., 2] == 7).all()


def test_degrading_has_the_stated_transfer_at_nyquist() -> None:
    """A wave of 8 fine pixels is the coarse grid's fastest: a quarter of its amplitude must be left."""
    wave = 128 + 100 * np.cos(2 * np.pi * (np.arange(160) - 1.5) / 8)
    image = np.repeat(np.broadcast_to(wave[None], (160, 160))[..., None], 3, -1).round().astype(np.uint8)
    row = degrade(image)[20, 8:-8, 0].astype(float)
    assert np.ptp(row) / 200 == pytest.approx(0.25, abs=0.01)


def test_the_rate_rises_and_falls() -> None:
    rates = [schedule(step, 100) for step in range(100)]
    assert rates.index(max(rates)) in (4, 5)
    assert max(rates) == 1
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert schedule(0, 1) == 1


def test_a_finished_fit_is_there_again_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after a kill while DVC hashed the outs."""
    patches = referenced(tmp_path / "patches")
    first = prepare(patches, tmp_path / "1", steps=52).read_bytes()
    capsys.readouterr()
    assert prepare(patches, tmp_path / "2", steps=52).read_bytes() == first
    assert "52/52" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"cut", None])
def test_a_damaged_checkpoint_is_made_again(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    patches = referenced(tmp_path / "patches")
    first = prepare(patches, tmp_path / "1", steps=3).read_bytes()
    checkpoint = next(tmp_path.glob(".scratch/weights/*/checkpoint.pt"))
    checkpoint.unlink()
    checkpoint.mkdir() if content is None else checkpoint.write_bytes(content)
    capsys.readouterr()
    assert prepare(patches, tmp_path / "2", steps=3).read_bytes() == first
    assert capsys.readouterr().out.count("not as it was written") == 1


@pytest.mark.parametrize("learning_rate", [1e9, 1e30])
def test_a_fit_that_diverges_is_one_line(tmp_path: Path, learning_rate: float) -> None:
    options = weights_options("srresnet", source="fit", fit=SMALL | {"steps": 60})
    wild = options.fit.model_copy(update={"learning_rate": learning_rate})  # params.yaml may have 10 at most
    options = options.model_copy(update={"fit": wild})
    with pytest.raises(BadInput, match=r"not finite from step \d+ on; lower fit.learning_rate") as error:
        prepare_srresnet(options, referenced(tmp_path / "patches"), 0, tmp_path / "out", "test")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob(".scratch/weights/*/checkpoint.pt"))
    assert not (tmp_path / "out/weights.safetensors").exists()

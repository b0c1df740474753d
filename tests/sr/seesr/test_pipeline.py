"""Sampling: latents after every step and pictures, as the official pipeline makes them."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.schedulers import scheduling_ddpm
from diffusers.utils.torch_utils import randn_tensor
from torch import nn

from srscene.sr.seesr.model import colour, pipeline, resize
from srscene.sr.seesr.model.restorer import make_scheduler
from srscene.sr.seesr.model.tiling import Tiling
from srscene.sr.seesr.options import ColourFix, UpscaleOptions
from tests.options import section
from tests.sr.seesr import official_run
from tests.sr.seesr.official import (
    RECORDED_ROUNDING,
    ROUNDING,
    assert_close,
    assert_colours_follow,
    config,
    picture,
    recorded,
)
from tests.sr.seesr.official_run import RUNS, Networks


@pytest.fixture(scope="module")
def networks() -> Networks:
    return official_run.networks()


@pytest.mark.parametrize("run", RUNS)
@torch.inference_mode()
def test_run_is_the_official_one(networks: Networks, run: str) -> None:
    """On any CPU; test_bitwise.py leaves no tolerance, with the recorder's kernels."""
    data, found = recorded("pipeline", run), official_run.run(networks, run)
    for name in found.keys() - {"image_uint8", "adain_uint8", "wavelet_uint8"}:
        assert_close(found[name], data[f"out.{name}"], ROUNDING)
    _assert_same_but_for_ties(found["decoded"], data["out.image_uint8"])
    for how in ("adain", "wavelet"):
        assert_colours_follow(found["image_uint8"], found[f"{how}_uint8"], data, how)


@pytest.mark.parametrize("run", RUNS)
@torch.inference_mode()
def test_in_fp64_only_the_rounding_of_the_official_run_is_left(
    networks_fp64: Networks, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without rounding of ours: the same on any CPU, and stricter than what any fp32 run can be held to."""
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", _fp32_noise)
    data, found = recorded("pipeline", run), official_run.run(networks_fp64, run, torch.float64)
    for name in found.keys() - {"image_uint8", "adain_uint8", "wavelet_uint8"}:
        assert found[name].dtype == torch.float64
        assert_close(found[name], data[f"out.{name}"], RECORDED_ROUNDING)
    _assert_same_but_for_ties(found["decoded"], data["out.image_uint8"])


def _fp32_noise(shape: Any, dtype: torch.dtype, **settings: Any) -> torch.Tensor:
    """The scheduler's noise as in a run of fp32: PyTorch draws other numbers for other types."""
    return randn_tensor(shape, dtype=torch.float32, **settings).to(dtype)


def _assert_same_but_for_ties(decoded: torch.Tensor, expected: torch.Tensor) -> None:
    """Identical pixels, save those within the float error (1e-5 of 2) of the border between two levels.

    Which ones these are depends on the CPU's kernels: 0 to 8 values a picture on an AMD EPYC.
    """
    found = pipeline.to_uint8(decoded)
    levels = (decoded / 2 + 0.5) * 255
    tie = (levels - levels.floor() - 0.5).abs() < 255e-5
    assert torch.equal(found[~tie], picture(expected)[~tie])
    assert (found.int() - picture(expected).int()).abs().max() <= 1
    assert tie.float().mean() < 0.01


class NoiseItself:
    """A scheduler of one step, whose latents are the noise that the UNet saw."""

    def __init__(self, timestep: torch.Tensor) -> None:
        self.timesteps = [timestep]

    def step(self, noise: torch.Tensor, *_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(prev_sample=noise)


@torch.inference_mode()
def test_conditioning_scale_is_the_official_one(networks: Networks) -> None:
    """Of the recorded cases the second has a scale of 0.6; ignored it would be 1, applied twice 0.36."""
    data = recorded("unet_controlnet", "case1")
    tiling = Tiling(*data["sample"].shape[2:], size=96, overlap=4)
    tiles = pipeline.embed(nn.Identity(), data["controlnet_cond"], tiling, torch.float32)
    tokens = data["encoder_hidden_states"], data["image_encoder_hidden_states"]

    def noise(scale: float) -> torch.Tensor:
        conditions = pipeline.Conditions(*tokens, tiles, tiling, scale)
        unet, controlnet, scheduler = networks["unet"], networks["controlnet"], NoiseItself(data["timestep"])
        (seen,) = pipeline.denoise(unet, controlnet, scheduler, data["sample"], conditions, 1.0, [])
        return seen

    assert data["conditioning_scale"] == torch.tensor(0.6)
    assert_close(noise(0.6), data["out.unet"], ROUNDING)
    for wrong in (0.36, 1.0):
        assert (noise(wrong) - data["out.unet"]).abs().max() > 100 * ROUNDING * data["out.unet"].abs().max()


@pytest.mark.parametrize("run", ["main", "tiled", "nocfg"])  # a value of noise_start lies on a border
@torch.inference_mode()
def test_pictures_of_the_official_latents_are_identical(networks: Networks, run: str) -> None:
    data = recorded("pipeline", run)
    last = data[f"out.latents_after_step{len(data['timesteps']) - 1}"]
    found = official_run.pictures(networks, last, picture(data["cond_uint8"]))
    for name in ("image_uint8", "adain_uint8", "wavelet_uint8"):
        assert torch.equal(found[name], data[f"out.{name}"])


@pytest.mark.parametrize("run", RUNS)
def test_rounding_is_the_official_one(run: str) -> None:
    data = recorded("pipeline", run)
    assert torch.equal(pipeline.to_uint8(data["out.decoded"]), picture(data["out.image_uint8"]))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("how", ["adain", "wavelet"])
def test_colour_fix_is_the_official_one(run: str, how: ColourFix) -> None:
    data = recorded("pipeline", run)
    fixed = colour.fix(picture(data["out.image_uint8"]), picture(data["cond_uint8"]), how)
    assert torch.equal(fixed, picture(data[f"out.{how}_uint8"]))


@pytest.mark.parametrize("run", RUNS)
def test_condition_is_the_official_one(run: str) -> None:
    data = recorded("pipeline", run)
    condition = resize.condition(data["lr_uint8"].numpy(), process_size=64)
    assert torch.equal(torch.from_numpy(condition.copy()), data["cond_uint8"])


def test_fifty_steps_start_at_981() -> None:
    scheduler = make_scheduler("ddpm", config("scheduler_config"))
    scheduler.set_timesteps(section("upscalers.seesr.upscale", UpscaleOptions).resolved(turbo=False).steps)
    assert scheduler.timesteps.tolist() == list(range(981, 0, -20))
    assert pipeline.START_TIMESTEP == 999


@pytest.mark.parametrize("scheduler", ["ddim", "dpm++"])
@torch.inference_mode()
def test_other_schedulers_remove_known_noise(scheduler: Any) -> None:
    """A network that always sees the true noise leads, in few steps, from our start to the picture."""
    steps = make_scheduler(scheduler, config("scheduler_config"))
    steps.set_timesteps(5)
    assert steps.timesteps[0] == pipeline.START_TIMESTEP
    truth, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    latents = pipeline.add_noise(steps, truth, noise)
    for timestep in steps.timesteps:
        latents = steps.step(noise, timestep, latents, generator=[torch.Generator()]).prev_sample
    assert (latents - truth).abs().max() < 0.1

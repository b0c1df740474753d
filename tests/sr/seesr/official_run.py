"""python -m tests.sr.seesr.official_run FILE: repeats the official cases and runs, and writes all outputs.

As officially, guidance doubles what the VAE encodes, and ControlNet embeds the condition at every step. The
restorer does both once; kernels may round them otherwise then, as they do for every other batch size.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from srscene.sr.seesr.model import colour, pipeline
from srscene.sr.seesr.model.restorer import make_scheduler
from srscene.sr.seesr.model.tiling import Tiling
from tests.sr.seesr.official import CPU, config, network, picture, recorded

CASES = ["case0", "case1", "case2"]
RUNS = ["main", "noise_start", "tiled", "nocfg"]
Networks = dict[str, Any]
Outputs = dict[str, torch.Tensor]


def networks(dtype: torch.dtype = torch.float32) -> Networks:
    return {name: network(name, dtype) for name in ("unet", "controlnet", "vae")}


def case(networks: Networks, name: str, dtype: torch.dtype = torch.float32) -> Outputs:
    """One step of ControlNet and UNet, the latter with the residuals of the former and without any."""
    data = inputs_as(dtype, recorded("unet_controlnet", name))
    inputs = (
        data["sample"],
        data["timestep"],
        (data["encoder_hidden_states"], data["image_encoder_hidden_states"]),
    )
    down, middle = networks["controlnet"](
        *inputs,
        data["controlnet_cond"],
        conditioning_scale=data["conditioning_scale"].item(),
        return_dict=False,
    )
    controlled = networks["unet"](
        *inputs, down_block_additional_residuals=down, mid_block_additional_residual=middle
    )
    return {
        **{f"down_res.{index}": residual for index, residual in enumerate(down)},
        "mid_res": middle,
        "unet": controlled.sample,
        "unet_no_control": networks["unet"](*inputs).sample,
    }


def run(networks: Networks, name: str, dtype: torch.dtype = torch.float32) -> Outputs:
    """A whole run: the start, the latents after every step, the decoded picture and the three uint8 ones."""
    data, settings = inputs_as(dtype, recorded("pipeline", name)), config("meta")[name]
    scheduler = make_scheduler("ddpm", config("scheduler_config"))
    scheduler.set_timesteps(settings["steps"])
    assert scheduler.timesteps.tolist() == settings["timesteps"]
    source = picture(data["cond_uint8"])
    condition = source.to(dtype).div(255)
    height, width = condition.shape[2] // 8, condition.shape[3] // 8

    outputs: Outputs = {}
    generators = [torch.Generator().manual_seed(settings["generator_seed"])]
    latents = pipeline.draw((4, height, width), generators, CPU).to(dtype)
    if settings["start_point"] == "lr":  # the official code draws the VAE's noise elsewhere: it was recorded
        noise = data["noise.vae_posterior"]
        encoded = pipeline.encode(networks["vae"], condition.repeat(len(noise), 1, 1, 1), noise)[:1]
        latents = pipeline.add_noise(scheduler, encoded, latents)
        outputs |= {"lr_latent_scaled": encoded, "start_latents": latents}

    tiling = Tiling(height, width, settings["latent_tiled_size"], settings["latent_tiled_overlap"])
    tiles = pipeline.embed(nn.Identity(), condition, tiling, dtype)
    conditions = pipeline.Conditions(
        data["prompt_embeds"], data["image_embeds"], tiles, tiling, settings["conditioning_scale"]
    )
    guidance = settings["guidance_scale"]
    if guidance > 1:
        conditions = pipeline.for_guidance(conditions, data["negative_prompt_embeds"])
    steps = pipeline.denoise(
        networks["unet"], networks["controlnet"], scheduler, latents, conditions, guidance, generators
    )
    for step, latents in enumerate(steps):
        outputs[f"latents_after_step{step}"] = latents
    return outputs | pictures(networks, latents, source)


def pictures(networks: Networks, latents: torch.Tensor, source: torch.Tensor) -> Outputs:
    """The last latents decoded, as uint8, and in the colours of the source (1, 3, H, W) uint8."""
    decoded = pipeline.decode(networks["vae"], latents)
    image = pipeline.to_uint8(decoded)
    uint8 = {"image": image, **{how: colour.fix(image, source, how) for how in ("adain", "wavelet")}}
    return {"decoded": decoded, **{f"{name}_uint8": _rows(pixels) for name, pixels in uint8.items()}}


def inputs_as(dtype: torch.dtype, data: Outputs) -> Outputs:
    """What was recorded, with all that is floating in this type."""
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in data.items()}


def _rows(pixels: torch.Tensor) -> torch.Tensor:
    """(1, 3, H, W) -> (H, W, 3)"""
    return pixels[0].permute(1, 2, 0)


def main(file: Path) -> None:
    """Write every output, with weights laid out and flagged as the official code has them.

    PyTorch multiplies by weights that require gradients in another way than by those that don't.
    """
    torch.set_num_threads(1)
    repeated = {
        name: module.to(memory_format=torch.contiguous_format).requires_grad_(True)
        for name, module in networks().items()
    }
    with torch.no_grad():
        found = {name: case(repeated, name) for name in CASES}
        found |= {name: run(repeated, name) for name in RUNS}
    named = {
        f"{name}.out.{key}": tensor.contiguous()
        for name, outputs in found.items()
        for key, tensor in outputs.items()
    }
    save_file(named, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

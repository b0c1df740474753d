"""SeeSR's sampling, written out: encode, add noise, denoise step by step under guidance, decode.

Source: pipelines/pipeline_seesr.py of github.com/cswry/SeeSR. N is the number of pictures, (h, w) the
latents' size, an eighth of the pictures' (H, W). Latents and what the scheduler computes are fp32; UNet and
ControlNet run in the type of their weights, the VAE and the text encoder in fp32.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from srscene.sr.seesr.model.tiling import Tiling
from srscene.sr.seesr.options import StartPoint

Network = Callable[..., Any]
Generators = Sequence[torch.Generator]
"""One per picture, on the CPU: the noise is the same on every device and in every batch."""

START_TIMESTEP = 999
"""How noisy the start is. The first of 50 steps is 981 all the same: so are the official pictures made."""


@dataclass(frozen=True)
class Conditions:
    """What UNet and ControlNet are told at every step, made once.

    text (M, 77, D) and image (M, 145, 512) tokens; per tile, the embedded condition (M, C, rows, columns).
    M is N, or 2N under guidance: first negative, then positive. scale weighs ControlNet's residuals.
    """

    text: torch.Tensor
    image: torch.Tensor
    embedded: list[torch.Tensor]
    tiling: Tiling
    scale: float


def encode_text(
    tokenizer: Any, text_encoder: nn.Module, prompts: list[str], device: torch.device
) -> torch.Tensor:
    """Return the text tokens (N, 77, D): cut or padded to 77, no mask, final norm included."""
    ids = tokenizer(
        prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    ).input_ids
    return text_encoder(ids.to(device)).last_hidden_state


def embed(
    embedding: nn.Module, condition: torch.Tensor, tiling: Tiling, dtype: torch.dtype
) -> list[torch.Tensor]:
    """Return ControlNet's view of each tile of the condition (N, 3, H, W), 0..1.

    Each tile is embedded by itself, as officially: what lies at its border counts.
    """
    return [
        embedding(condition[:, :, _pixels(rows), _pixels(columns)].to(dtype))
        for rows, columns in tiling.boxes
    ]


def for_guidance(conditions: Conditions, negative: torch.Tensor) -> Conditions:
    """Return the conditions of a guided batch, whose first half has the text `negative` (1, 77, D)."""
    return replace(
        conditions,
        text=torch.cat([negative.expand_as(conditions.text), conditions.text]),
        image=_twice(conditions.image),
        embedded=[_twice(tile) for tile in conditions.embedded],
    )


def start(
    vae: Any, scheduler: Any, condition: torch.Tensor, generators: Generators, start_point: StartPoint
) -> torch.Tensor:
    """Return the first latents (N, 4, h, w): noise, over the encoded condition if `start_point` is "lr"."""
    height, width = (side // 8 for side in condition.shape[2:])
    shape = (vae.config.latent_channels, height, width)
    noise = draw(shape, generators, condition.device)
    if start_point == "noise":
        return noise
    encoded = encode(vae, condition, draw(shape, generators, condition.device))
    return add_noise(scheduler, encoded, noise)


def add_noise(scheduler: Any, encoded: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return encoded latents (N, 4, h, w) as noisy as at START_TIMESTEP."""
    signal = scheduler.alphas_cumprod[START_TIMESTEP].item()
    return signal**0.5 * encoded + (1 - signal) ** 0.5 * noise


def encode(vae: Any, condition: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return a sample of the VAE's posterior, scaled; condition (N, 3, H, W), 0..1.

    The VAE sees the picture whole; the official one cuts pictures of more than 1,088 pixels into tiles.
    """
    posterior = vae.encode(condition * 2 - 1).latent_dist
    return vae.config.scaling_factor * (posterior.mean + posterior.std * noise)


def denoise(
    unet: Network,
    controlnet: Network,
    scheduler: Any,
    latents: torch.Tensor,
    conditions: Conditions,
    guidance: float,
    generators: Generators,
) -> Iterator[torch.Tensor]:
    """Yield the latents after each of the scheduler's timesteps.

    A `guidance` of 1 or less means none; above, the conditions must be those `for_guidance`.
    """
    tiling = conditions.tiling
    for timestep in scheduler.timesteps:  # these stay on the CPU, where schedulers look their tables up
        on_device = timestep.to(latents.device)
        parts = [
            _predict(unet, controlnet, latents[:, :, rows, columns], on_device, embedded, conditions)
            for (rows, columns), embedded in zip(tiling.boxes, conditions.embedded, strict=True)
        ]
        noise = tiling.blend(parts)
        if guidance > 1:
            negative, positive = noise.chunk(2)
            noise = negative + guidance * (positive - negative)
        latents = scheduler.step(noise, timestep, latents, generator=list(generators)).prev_sample
        yield latents


def _predict(
    unet: Network,
    controlnet: Network,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    embedded: torch.Tensor,
    conditions: Conditions,
) -> torch.Tensor:
    """Return the noise (M, 4, rows, columns) that UNet and ControlNet see in a tile, in their type."""
    dtype = latents.dtype
    if len(conditions.text) == 2 * len(latents):
        latents = _twice(latents)
    latents = latents.to(conditions.text.dtype)
    tokens = (conditions.text, conditions.image)
    down, middle = controlnet(
        latents, timestep, tokens, embedded, conditioning_scale=conditions.scale, return_dict=False
    )
    (noise,) = unet(
        latents,
        timestep,
        tokens,
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
        return_dict=False,
    )
    return noise.to(dtype)


def decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return the pictures (N, 3, H, W) of latents (N, 4, h, w), in -1..1 and a little beyond."""
    pictures: torch.Tensor = vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0]
    return pictures


def to_uint8(pictures: torch.Tensor) -> torch.Tensor:
    """Bring pictures in -1..1 to 0..255, rounded."""
    return (pictures / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)


def draw(shape: Sequence[int], generators: Generators, device: torch.device) -> torch.Tensor:
    """Return normal noise (N, *shape) fp32, one picture per generator."""
    return torch.stack([torch.randn(*shape, generator=generator) for generator in generators]).to(device)


def _twice(tensor: torch.Tensor) -> torch.Tensor:
    return torch.cat([tensor, tensor])


def _pixels(cells: slice) -> slice:
    return slice(cells.start * 8, cells.stop * 8)

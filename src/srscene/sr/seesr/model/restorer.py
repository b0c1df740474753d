"""The function that upscales: from a batch of patches and their names to pictures."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

from srscene.sr.common.tensors import finite
from srscene.sr.seesr.model import colour, pipeline, resize, tagger
from srscene.sr.seesr.model.models import Models
from srscene.sr.seesr.model.resize import SCALE
from srscene.sr.seesr.model.tiling import Tiling
from srscene.sr.seesr.options import Resolved, Scheduler, UpscaleOptions

SCHEDULERS: dict[Scheduler, Any] = {
    "ddpm": DDPMScheduler,
    "ddim": DDIMScheduler,
    "dpm++": DPMSolverMultistepScheduler,
}


class Restorer:
    """SeeSR, loaded. Call it with (N, H, W, 3) uint8 RGB and N names; it returns (N, 4H, 4W, 3) uint8.

    UNet and ControlNet, 98 % of the work at 50 steps, run in the type of their weights; tagger, text encoder,
    VAE and latents stay in fp32 (on a GPU cuDNN's convolutions multiply it as TF32, PyTorch's default).

    A patch's noise depends on its name and `options.seed` alone. Kernels round differently for another
    batch size, device or number of threads: a CPU, which one patch keeps busy, takes one after the other,
    so that a patch's bytes do not depend on what it is called with; a GPU takes all that it is given.
    """

    def __init__(
        self, options: UpscaleOptions, resolved: Resolved, models: Models, device: torch.device
    ) -> None:
        self.options, self.resolved, self.models, self.device = options, resolved, models, device
        self.dtype = models.unet.dtype
        self.unet, self.controlnet = (
            torch.compile(network) if options.compile else network
            for network in (models.unet, models.controlnet)
        )
        self.vocabulary = tagger.official_vocabulary()
        self.scheduler = make_scheduler(options.scheduler, models.scheduler)
        self.singly = device.type == "cpu"
        with torch.inference_mode():
            self.negative = self._encode_text([options.negative_prompt])

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
        height, width = images.shape[1:3]
        patches = list(images.cpu().numpy())
        size = 1 if self.singly else len(patches)
        pictures: list[resize.Picture] = []
        for start in range(0, len(patches), size):
            group = slice(start, start + size)
            pictures.extend(self._restore(patches[group], names[group]))
        sized = [resize.to_size(picture, height * SCALE, width * SCALE) for picture in pictures]
        return torch.from_numpy(np.stack(sized)).to(images.device)

    def _restore(self, patches: list[resize.Picture], names: Sequence[str]) -> resize.Picture:
        """Return the pictures (N, H', W', 3) of N patches at the size that SeeSR works at."""
        generators = list(map(self._generator, names))
        source = self._to_device([resize.condition(patch, self.options.process_size) for patch in patches])
        condition = source.float().div(255)
        tiling = Tiling(
            condition.shape[2] // 8,
            condition.shape[3] // 8,
            self.options.tile,
            self.resolved.tile_overlap,
        )
        conditions = self._conditions(self._to_device(patches).float().div(255), condition, tiling)
        self.scheduler.set_timesteps(self.resolved.steps)
        start = pipeline.start(
            self.models.vae, self.scheduler, condition, generators, self.options.start_point
        )
        *_, latents = pipeline.denoise(
            self.unet, self.controlnet, self.scheduler, start, conditions, self.resolved.guidance, generators
        )
        pictures = pipeline.to_uint8(finite(pipeline.decode(self.models.vae, latents), names))
        fixed = colour.fix(pictures, source, self.options.colour_fix)
        return fixed.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def _conditions(
        self, patches: torch.Tensor, condition: torch.Tensor, tiling: Tiling
    ) -> pipeline.Conditions:
        tagged = self.models.tagger(patches)
        text = self._encode_text([self._prompt(tags) for tags in self.vocabulary.names(tagged.logits)])
        conditions = pipeline.Conditions(
            text,
            tagged.tokens.to(self.dtype),
            pipeline.embed(self.models.embedding, condition, tiling, self.dtype),
            tiling,
            self.options.conditioning_scale,
        )
        if self.resolved.guidance > 1:
            return pipeline.for_guidance(conditions, self.negative)
        return conditions

    def _prompt(self, tags: str) -> str:
        """The official prompt, with its stray comma where `prompt` is empty."""
        return f"{tags}, {self.options.prompt},{self.options.added_prompt}"

    def _encode_text(self, prompts: list[str]) -> torch.Tensor:
        return pipeline.encode_text(self.models.tokenizer, self.models.text_encoder, prompts, self.device).to(
            self.dtype
        )

    def _generator(self, name: str) -> torch.Generator:
        digest = sha256(f"{self.options.seed}/{name}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)

    def _to_device(self, pictures: list[resize.Picture]) -> torch.Tensor:
        """Pictures (H, W, 3) -> (N, 3, H, W) uint8."""
        return torch.from_numpy(np.stack(pictures)).to(self.device).permute(0, 3, 1, 2)


def make_scheduler(name: Scheduler, config: Mapping[str, Any]) -> Any:
    """Return a scheduler from scheduler_config.json, whatever class that names, as the official code does.

    DDPM's timesteps are the official ones: they start below START_TIMESTEP, the noise of the start. With the
    few steps that the others are for, that would matter: theirs start at it.
    """
    spacing = config.get("timestep_spacing", "leading") if name == "ddpm" else "trailing"
    return SCHEDULERS[name].from_config({**config, "timestep_spacing": spacing})

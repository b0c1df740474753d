"""The section `upscalers.seesr` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from srscene.sr.seesr.colour import ColourFix
from srscene.sr.seesr.pipeline import StartPoint
from srscene.sr.upscaler import UpscalerOptions

Auto = Literal["auto"]
Scheduler = Literal["ddpm", "ddim", "dpm++"]


class SeeSROptions(UpscalerOptions):
    """Defaults are those of the official test_seesr.py, and of test_seesr_turbo.py where `turbo` is set."""

    weights: str = "official"
    """official, or a folder laid out like preset/models of the official repository."""
    turbo: bool = False
    """Denoise with sd-turbo's UNet, into which SeeSR's image attentions are put."""
    steps: Annotated[int, Field(gt=0, le=500)] | Auto = "auto"
    """Denoising steps; auto: 50, or 2 with turbo. More than 500 would not start where the noise is."""
    guidance: Annotated[float, Field(ge=0)] | Auto = "auto"
    """Weight of the prompt against the negative prompt, 1 or less: off; auto: 5.5, or 1 with turbo."""
    conditioning_scale: float = Field(1.0, ge=0)
    """Weight of ControlNet's residuals."""
    prompt: str = ""
    """Words between the tags that RAM sees in a patch and `added_prompt`."""
    added_prompt: str = "clean, high-resolution, 8k"
    negative_prompt: str = "dotted, noise, blur, lowres, smooth"
    colour_fix: ColourFix = "adain"
    process_size: int = Field(512, ge=64, multiple_of=32)
    """Pixels: a patch's shorter side is enlarged to at least this, then brought to 4 times the patch."""
    start_point: StartPoint = "lr"
    """Denoise from the patch under noise, or from noise alone."""
    scheduler: Scheduler = "ddpm"
    """ddpm is the official one; ddim and dpm++ add no noise on the way and were not tried by the authors."""
    seed: int = Field(0, ge=0)
    """Of the noise, together with a patch's name."""
    tile: int = Field(96, ge=8)
    """Latent cells (8 pixels each): larger latents are denoised in tiles of this side."""
    tile_overlap: Annotated[int, Field(ge=0)] | Auto = "auto"
    """Latent cells; auto: 4, or 32 with turbo."""
    compile: bool = False
    """torch.compile UNet and ControlNet: minutes at the start, faster steps on a GPU."""

    @model_validator(mode="after")
    def _overlap_below_tile(self) -> "SeeSROptions":
        if self.resolved_tile_overlap >= self.tile:
            raise ValueError(
                f"tile_overlap ({self.resolved_tile_overlap}) must be less than tile ({self.tile})"
            )
        return self

    @property
    def resolved_steps(self) -> int:
        return (2 if self.turbo else 50) if self.steps == "auto" else self.steps

    @property
    def resolved_guidance(self) -> float:
        return (1.0 if self.turbo else 5.5) if self.guidance == "auto" else self.guidance

    @property
    def resolved_tile_overlap(self) -> int:
        return (32 if self.turbo else 4) if self.tile_overlap == "auto" else self.tile_overlap

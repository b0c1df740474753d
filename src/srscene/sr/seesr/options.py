"""The sections `upscalers.seesr.weights` and `upscalers.seesr.upscale` of params.yaml; quick to import."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from srscene.runtime.console import BadInput
from srscene.runtime.params import Neutral, PrecisionChoice, Section, Seed

Auto = Literal["auto"]
ColourFix = Literal["adain", "wavelet", "none"]
StartPoint = Literal["lr", "noise"]
Scheduler = Literal["ddpm", "ddim", "dpm++"]


class WeightsOptions(Section):
    source: str
    """official, or a folder laid out like preset/models of the official repository."""
    turbo: bool
    """Take sd-turbo's UNet, into which SeeSR's image attentions are put."""


class Resolved(NamedTuple):
    """The numbers that `auto` may stand for."""

    steps: int
    guidance: float
    tile_overlap: int


class UpscaleOptions(Section):
    """`auto` means what the official test_seesr.py does, or test_seesr_turbo.py with turbo weights."""

    steps: Annotated[int, Field(gt=0, le=500)] | Auto
    """Denoising steps; auto: 50, or 2 with turbo. More than 500 would not start where the noise is."""
    guidance: Annotated[float, Field(ge=0, le=100)] | Auto
    """Weight of the prompt against the negative prompt, 1 or less: off; auto: 5.5, or 1 with turbo."""
    conditioning_scale: float = Field(ge=0, le=100)
    """Weight of ControlNet's residuals."""
    prompt: str
    """Words between the tags that RAM sees in a patch and `added_prompt`."""
    added_prompt: str
    negative_prompt: str
    colour_fix: ColourFix
    process_size: int = Field(ge=64, le=8192, multiple_of=32)
    """Pixels: a patch's shorter side is enlarged to at least this, then brought to 4 times the patch."""
    start_point: StartPoint
    """Denoise from the patch under noise, or from noise alone."""
    scheduler: Scheduler
    """ddpm is the official one; ddim and dpm++ add no noise on the way and were not tried by the authors."""
    seed: Seed
    """Of the noise, together with a patch's name."""
    tile: int = Field(ge=8, le=4096)
    """Latent cells (8 pixels each): larger latents are denoised in tiles of this side."""
    tile_overlap: Annotated[int, Field(ge=0, le=4096)] | Auto
    """Latent cells; auto: 4, or 32 with turbo."""
    compile: Annotated[bool, Neutral(False)]
    """torch.compile UNet and ControlNet: minutes at the start, faster steps on a GPU."""
    precision: PrecisionChoice
    """Of UNet and ControlNet."""

    @model_validator(mode="after")
    def _overlap_below_tile(self) -> "UpscaleOptions":
        if self.tile_overlap != "auto" and self.tile_overlap >= self.tile:
            raise ValueError(f"tile_overlap ({self.tile_overlap}) must be less than tile ({self.tile})")
        return self

    def check_weights(self, weights: WeightsOptions) -> None:
        """Raise BadInput where `auto` means what does not fit the other options, with these weights."""
        self.resolved(weights.turbo)

    def resolved(self, turbo: bool) -> Resolved:
        """Return the given numbers and, for `auto`, those that suit the weights.

        Raises BadInput where `auto` makes tiles overlap by a whole tile or more.
        """
        auto = Resolved(2, 1.0, 32) if turbo else Resolved(50, 5.5, 4)
        if self.tile_overlap == "auto" and auto.tile_overlap >= self.tile:
            raise BadInput(
                f"params.yaml: upscalers.seesr.upscale: tile_overlap (auto, with turbo {auto.tile_overlap}) "
                f"must be less than tile ({self.tile}); give a smaller tile_overlap or a larger tile"
            )
        return Resolved(
            auto.steps if self.steps == "auto" else self.steps,
            auto.guidance if self.guidance == "auto" else self.guidance,
            auto.tile_overlap if self.tile_overlap == "auto" else self.tile_overlap,
        )

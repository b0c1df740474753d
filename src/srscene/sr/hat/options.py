"""The sections `upscalers.hat.weights` and `.upscale` of params.yaml."""

from typing import Literal

from pydantic import Field

from srscene.runtime.params import Section
from srscene.sr.common.compile_option import Compilable
from srscene.sr.common.fit_options import FitOptions


class HATFit(FitOptions):
    features: int = Field(gt=0, le=1024, multiple_of=6)
    """Channels of the network that is fitted; 180 in the paper."""
    groups: int = Field(gt=0, le=100)
    """Its residual hybrid attention groups; 6 in the paper, 12 in HAT-L."""
    blocks: int = Field(gt=0, le=100)
    """Hybrid attention blocks in each group; 6 in the paper."""
    window: int = Field(ge=4, le=64, multiple_of=2)
    """Side of an attention window in input pixels; 16 in the paper."""


class WeightsOptions(Section):
    source: str
    """official | official-s | official-l | fit | path of a HAT checkpoint."""
    fit: HATFit


class UpscaleOptions(Compilable):
    precision: Literal["auto", "fp32", "bf16"]
    """No fp16, in which the attention's scores may overflow: its authors never tried it."""

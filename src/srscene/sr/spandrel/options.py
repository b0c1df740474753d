"""The sections `upscalers.spandrel.weights` and `.upscale` of params.yaml."""

from typing import Literal

from srscene.runtime.params import Section
from srscene.sr.common.compile_option import Compilable


class WeightsOptions(Section):
    source: str
    """Path of the checkpoint, seen from the repository's top folder."""


class UpscaleOptions(Compilable):
    precision: Literal["fp32", "bf16", "fp16"]
    """fp32 is what every architecture bears."""

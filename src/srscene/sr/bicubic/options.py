"""The sections `upscalers.bicubic.weights` and `.upscale` of params.yaml."""

from pydantic import Field

from srscene.runtime.params import Section


class WeightsOptions(Section):
    pass


class UpscaleOptions(Section):
    scale: int = Field(ge=2, le=16)
    """Output pixels per input pixel, along a side."""

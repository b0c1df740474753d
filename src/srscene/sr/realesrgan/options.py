"""The sections `upscalers.realesrgan.weights` and `.upscale` of params.yaml."""

from srscene.runtime.params import PrecisionChoice, Section
from srscene.sr.common.compile_option import Compilable


class WeightsOptions(Section):
    source: str
    """package | package-animevideov3 | official | general-x4v3 | animevideov3 | path of a ×4 checkpoint."""


class UpscaleOptions(Compilable):
    precision: PrecisionChoice

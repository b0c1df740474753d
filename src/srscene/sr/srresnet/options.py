"""The sections `upscalers.srresnet.weights` and `.upscale` of params.yaml."""

from pydantic import Field

from srscene.runtime.params import PrecisionChoice, Section
from srscene.sr.common.compile_option import Compilable
from srscene.sr.common.fit_options import FitOptions


class SRResNetFit(FitOptions):
    features: int = Field(gt=0, le=1024)
    """Channels of the network that is fitted; 64 in the paper."""
    blocks: int = Field(gt=0, le=1000)
    """Its residual blocks; 16 in the paper."""


class WeightsOptions(Section):
    source: str
    """fit | official | path of an MSRResNet ×4 checkpoint of BasicSR, OpenMMLab or KAIR."""
    fit: SRResNetFit


class UpscaleOptions(Compilable):
    precision: PrecisionChoice

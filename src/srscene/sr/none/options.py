"""The sections `upscalers.none.weights` and `.upscale` of params.yaml, both empty."""

from srscene.runtime.params import Section


class WeightsOptions(Section):
    pass


class UpscaleOptions(Section):
    pass

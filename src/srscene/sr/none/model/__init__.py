"""Nothing is computed."""

from srscene.sr.common.unchanged import Unchanged
from srscene.sr.none.options import UpscaleOptions


class NoUpscaler(Unchanged):
    cpu_batch = 16
    defaults = UpscaleOptions()


UPSCALER = NoUpscaler()

"""Nothing is computed."""

from srscene.sr.common.unchanged import Unchanged


class NoUpscaler(Unchanged):
    cpu_batch = 16


UPSCALER = NoUpscaler()

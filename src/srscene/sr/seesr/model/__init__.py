"""SeeSR as the `upscale` stage sees it; see `srscene.sr.seesr` for what it is."""

from pathlib import Path

import torch

from srscene.core.precision import DTYPES, Precision, pick_precision
from srscene.sr.common.upscaler import Seams, Upscale, Upscaler
from srscene.sr.seesr.model import models
from srscene.sr.seesr.model.restorer import Restorer
from srscene.sr.seesr.options import UpscaleOptions


class SeeSR(Upscaler[UpscaleOptions]):
    gpu_precision = "bf16"
    gpu_batch = 8
    cpu_batch = 1
    seams = Seams(12, 96, blended=True)  # windows of 120 pixels, as patches have

    def precision(self, options: UpscaleOptions, device: torch.device) -> Precision:
        return pick_precision(options.precision, device, self.gpu_precision)

    def load(
        self, options: UpscaleOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        configs = models.read_configs(folder)
        resolved = options.resolved(configs["turbo"])  # may refuse, so before gigabytes are read
        return Restorer(options, resolved, models.load(folder, configs, device, DTYPES[precision]), device)


UPSCALER = SeeSR()

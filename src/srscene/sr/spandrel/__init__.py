"""Any RGB super-resolution checkpoint that spandrel recognises, at the scale that it has.

spandrel knows some forty architectures (ESRGAN, SwinIR, DAT, OmniSR, SPAN, …) by their weights' names:
https://github.com/chaiNNer-org/spandrel#model-architecture-support
"""

from pathlib import Path

import torch

from srscene.console import BadInput
from srscene.device import Precision, PrecisionChoice
from srscene.sr import checkpoints
from srscene.sr.network import as_upscale
from srscene.sr.spandrel.network import Padded, build
from srscene.sr.upscaler import Card, Upscale, Upscaler, UpscalerOptions
from srscene.store import PatchStore


class SpandrelOptions(UpscalerOptions):
    precision: PrecisionChoice = "fp32"  # what every architecture bears
    weights: str = ""
    """Path of the checkpoint, seen from the repository's top folder."""


class Spandrel(Upscaler[SpandrelOptions]):
    options = SpandrelOptions

    def prepare(self, options: SpandrelOptions, patches: PatchStore, seed: int, folder: Path) -> Card:
        if not options.weights:
            raise BadInput("params.yaml: upscalers.spandrel.weights: is empty; give the path of a checkpoint")
        path, card = checkpoints.find(options.weights, {})
        state = checkpoints.read(path)
        model = build(state, path)
        card |= {"architecture": model.architecture.name, "scale": model.scale}
        return card | {"parameters": checkpoints.save(state, folder)}

    def load(
        self, options: SpandrelOptions, folder: Path, device: torch.device, precision: Precision
    ) -> Upscale:
        path = checkpoints.weights_file(folder)
        model = build(checkpoints.read(path), path)
        bearable = {"fp32": True, "fp16": model.supports_half, "bf16": model.supports_bfloat16}
        if not bearable[precision]:
            name = model.architecture.name
            raise BadInput(
                f"params.yaml: upscalers.spandrel.precision: {name} does not bear {precision}; use fp32"
            )
        return as_upscale(Padded(model), device, precision)


UPSCALER = Spandrel()

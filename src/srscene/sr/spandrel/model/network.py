"""spandrel's model, found by the names and shapes of its weights."""

from pathlib import Path
from typing import Any

import torch
from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError
from torch import nn

from srscene.core.precision import Precision
from srscene.runtime.console import BadInput
from srscene.sr.common.checkpoints import State, explain


class Padded(nn.Module):
    """A model behind its descriptor, which pads the input as the architecture requires, and crops."""

    def __init__(self, descriptor: ImageModelDescriptor) -> None:
        super().__init__()
        self.model, self.descriptor = descriptor.model, descriptor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.descriptor(images)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the model alone: what is around it can't be, since it begins PyTorch's inference mode."""
        self.model.compile(*args, **kwargs)

    def check_precision(self, precision: Precision) -> None:
        """Raise BadInput when the architecture loses its way in this number format."""
        model = self.descriptor
        bearable = {"fp32": True, "fp16": model.supports_half, "bf16": model.supports_bfloat16}
        if not bearable[precision]:
            raise BadInput(
                f"params.yaml: upscalers.spandrel.upscale.precision: {model.architecture.name} does not bear "
                f"{precision}; use fp32"
            )


def build(state: State, file: Path) -> Padded:
    """Return spandrel's model; raises BadInput when it knows none, or not one from RGB to RGB."""
    try:
        model = MAIN_REGISTRY.load(state)
    except UnsupportedModelError:
        found = ", ".join(list(state)[:3])
        raise BadInput(
            f"{file}: spandrel recognises no architecture in it; its weights begin {found}"
        ) from None
    except (KeyError, RuntimeError, ValueError) as error:
        raise BadInput(
            f"{file}: {explain(error)}; damaged, or a variant that spandrel does not know"
        ) from None
    if not isinstance(model, ImageModelDescriptor) or (model.input_channels, model.output_channels) != (3, 3):
        raise BadInput(f"{file}: {model.architecture.name} is not a model from one RGB image to another")
    return Padded(model)

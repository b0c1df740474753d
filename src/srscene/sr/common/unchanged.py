"""An upscaler that hands on the images it is given: `none` and `truth` differ in which these are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from srscene.core.precision import Precision
from srscene.sr.common.upscaler import Seams, Upscale, Upscaler


class Unchanged(Upscaler[Any]):
    """Computes nothing; it has no options and no weights."""

    seams = Seams(0)

    def load(self, options: Any, folder: Path, device: torch.device, precision: Precision) -> Upscale:
        return _unchanged


def _unchanged(images: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
    return images

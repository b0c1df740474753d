"""What every upscaler is, and how one is found.

To add one: a folder `src/srscene/sr/<name>/` whose `__init__.py` holds `UPSCALER = <a subclass>()`, and a
section `upscalers.<name>` in params.yaml. DVC tracks only the folder of the upscaler that `sr` selects, so a
new one reruns nobody else's work.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from pydantic import Field

from srscene.console import BadInput
from srscene.device import Precision, PrecisionChoice
from srscene.params import Section
from srscene.store import PatchStore

Upscale = Callable[[torch.Tensor, Sequence[str]], torch.Tensor]
"""(N, H, W, 3) uint8 RGB and the patches' names -> (N, scale·H, scale·W, 3) uint8 RGB, on the same device.

Names seed whatever is random, so that a patch looks the same in any batch, shard or process.
"""

Card = dict[str, Any]
"""Where weights come from: source, sha256, licence, how made, parameters. Stored as `card.json`."""


class UpscalerOptions(Section):
    """The part of `upscalers.<name>` that every upscaler shares."""

    precision: PrecisionChoice = "auto"
    batch_size: int = Field(1, gt=0)
    shard_size: int = Field(64, gt=0)
    """Patches in one output file; a kill loses at most this many. 64 are 44 MB at 480×480."""


Options = TypeVar("Options", bound=UpscalerOptions)


class Upscaler(ABC, Generic[Options]):
    """A super-resolution model, as the `weights` and `upscale` stages see it. Its output tells its scale."""

    gpu_precision: ClassVar[Precision] = "fp32"
    """What `precision: auto` means on a GPU. On a CPU, auto is bf16 where native, else fp32."""
    options: type[Options]
    """The model of the section `upscalers.<name>`."""

    @abstractmethod
    def prepare(self, options: Options, patches: PatchStore, seed: int, folder: Path) -> Card:
        """Put what `load` needs into `folder` (safetensors; nothing if there are no weights).

        Raises BadInput when the weights are not to be had, with what to download and where to put it.
        """

    @abstractmethod
    def load(self, options: Options, folder: Path, device: torch.device, precision: Precision) -> Upscale:
        """Return the function that upscales, from what `prepare` left in `folder`."""


def find(name: str) -> Upscaler[Any]:
    """Return the upscaler called `name`; raises BadInput, listing those that exist, if there is none."""
    here = Path(__file__).parent
    known = sorted(folder.parent.name for folder in here.glob("*/__init__.py"))
    if name not in known:
        raise BadInput(f"params.yaml: sr: {name!r} is no upscaler; choose one of {', '.join(known)}")
    upscaler: Upscaler[Any] = import_module(f"srscene.sr.{name}").UPSCALER
    return upscaler

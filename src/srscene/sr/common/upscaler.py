"""What every upscaler is, and how one is found.

To add one: a folder `src/srscene/sr/<name>/` with

    __init__.py  what it is; how results show it, if not by its name: see `srscene.sr.shown`
    options.py   WeightsOptions and UpscaleOptions, models of `upscalers.<name>.weights` and `.upscale`
    weights.py   prepare(options, patches, seed, folder, key) -> Card; none where there are no weights
    model/       UPSCALER, an instance of a subclass of Upscaler; imports no weights.py

A convolutional network needs no subclass: see `network_upscaler`. DVC tracks only the folder of the upscaler
that `sr` selects, and `upscale` only its options.py and model/, so that a new one reruns nobody else's work.
Where its two sections have to agree, UpscaleOptions has a method `check_weights`, of WeightsOptions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from pydantic import ValidationError

from srscene.core.precision import Precision
from srscene.core.store import Image, PatchStore
from srscene.runtime.console import BadInput
from srscene.runtime.params import near, restored
from srscene.sr.common.checkpoints import weights_file, weights_sha256
from srscene.sr.common.names import options_of, upscalers

Upscale = Callable[[torch.Tensor, Sequence[str]], torch.Tensor]
"""(N, H, W, 3) uint8 RGB and the patches' names -> (N, scale·H, scale·W, 3) uint8 RGB, on the same device.

Names seed whatever is random, so that a patch looks the same in any batch, shard or process.
"""

Card = dict[str, Any]
"""Where weights come from: source, sha256, licence, how made, parameters. Stored as `card.json`."""

Options = TypeVar("Options")


class Seams(NamedTuple):
    """How a scene is cut into tiles, and what becomes of their seams; pixels of the scene."""

    halo: int
    """That a tile sees around what it gives."""
    tile: int = 256
    """Side of what a tile gives."""
    blended: bool = False
    """Neighbours overlap by twice the halo, and one fades into the other."""


class Upscaler(ABC, Generic[Options]):
    """A super-resolution model, as the stage `upscale` sees it. Its output tells its scale."""

    gpu_precision: Precision = "fp32"
    """What `precision: auto` means on a GPU. On a CPU, auto is bf16 where native, else fp32."""
    gpu_batch: int = 16
    """Patches at once to begin with, which `machine.batch_size: auto` means on a GPU."""
    cpu_batch: int = 1
    of_any_image: bool = True
    """Whether it can upscale what is in no store, such as a scene."""
    seams: Seams = Seams(16, 96, blended=True)
    """Of a scene; as they are where the reach of its network is not known (docs/scene.md)."""
    defaults: Options | None = None
    """Its options where neither params.yaml nor a card tells them; None: it has to be told."""

    def precision(self, options: Options, device: torch.device) -> Precision:
        """Return the number format that `load` is to use."""
        return "fp32"

    def images(self, patches: PatchStore, indices: Sequence[int]) -> Image:
        """Return what it upscales of these patches, (N, H, W, 3) uint8 RGB."""
        return patches.batch(indices)

    @abstractmethod
    def load(self, options: Options, folder: Path, device: torch.device, precision: Precision) -> Upscale:
        """Return the function that upscales, from what the stage `weights` left in `folder`."""


def find(name: str) -> Upscaler[Any]:
    """Return the upscaler called `name`; raises BadInput, listing those that exist, if there is none."""
    known = upscalers()
    if name not in known:
        raise BadInput(f"params.yaml: sr: {name!r} is no upscaler; {near(name, known)}")
    upscaler: Upscaler[Any] = import_module(f"srscene.sr.{name}.model").UPSCALER
    return upscaler


def load_from_card(attributes: Mapping[str, Any], folder: Path, device: torch.device) -> Upscale:
    """Return the function that made a store, from the store's attributes and the weights in `folder` alone.

    `attributes` are those that `upscale` wrote, or a card that holds them: sr, options, precision, weights.
    Raises BadInput when the weights in `folder` are not those that the store was made with, or the options
    not those that there are.
    """
    found, expected = weights_sha256(folder), attributes["weights"]
    if found != expected:
        raise BadInput(
            f"{weights_file(folder)}: its sha256 is {found}, expected {expected}, with which the upscaled "
            "patches were made; get that file with `dvc checkout`, or run `dvc repro`"
        )
    name = attributes["sr"]
    upscaler = find(name)
    if not upscaler.of_any_image:
        raise BadInput(
            f"sr: {name} shows what a store holds; it can't upscale anything else, so choose another"
        )
    kind, options = options_of(name)[1], attributes["options"]
    try:
        chosen = kind.model_validate(restored(kind, options))
    except ValidationError:
        raise BadInput(
            f"upscalers.{name}.upscale: found {options}, as another version of srscene wrote it, expected "
            f"{', '.join(kind.model_fields)}; run `dvc repro`"
        ) from None
    return upscaler.load(chosen, folder, device, attributes["precision"])

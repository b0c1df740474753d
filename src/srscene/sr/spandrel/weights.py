"""The user's checkpoint for spandrel."""

from pathlib import Path

from srscene.core.store import PatchStore
from srscene.runtime.console import BadInput
from srscene.sr.common.checkpoints import read, save
from srscene.sr.common.upscaler import Card
from srscene.sr.spandrel.model.network import build
from srscene.sr.spandrel.options import WeightsOptions
from srscene.sr.weights.locate import locate


def prepare(options: WeightsOptions, patches: PatchStore, seed: int | None, folder: Path, key: str) -> Card:
    """Put the weights into `folder` and return their card."""
    if not options.source:
        raise BadInput(
            "params.yaml: upscalers.spandrel.weights.source: is empty; give the path of a checkpoint"
        )
    path, card = locate(options.source, {})
    state = read(path)
    model = build(state, path).descriptor
    card |= {"architecture": model.architecture.name, "scale": model.scale}
    return card | {"parameters": save(state, folder)}

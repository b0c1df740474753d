"""Makes `models/upscaler`: the weights of one upscaler and card.json, which says where they come from."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srscene.core.console import say
from srscene.core.machine import one_process
from srscene.core.outputs import whole_folder, write_json
from srscene.core.params import Section
from srscene.core.store import PatchStore


def prepare_weights(name: str, options: Section, patches: PatchStore, seed: int | None, out: Path) -> None:
    """Fill the folder `out` with what the upscaler called `name` loads; `seed` counts where it is fitted.

    Raises BadInput when the weights are not to be had, with what to download and where to put it.
    """
    one_process("weights")
    with whole_folder(out) as folder:
        card: dict[str, Any] = {"sr": name, "source": "none", "parameters": 0}
        if find_spec(f"srscene.sr.{name}.weights"):
            card |= import_module(f"srscene.sr.{name}.weights").prepare(options, patches, seed, folder)
        write_json(folder / "card.json", card | {"options": options.model_dump()})
    say(f"weights: {card['source']}, {card['parameters']:,} parameters")

"""Makes `models/upscaler`: the weights of one upscaler and card.json, which says where they come from."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srscene.core.store import PatchStore
from srscene.core.tables import write_json
from srscene.runtime.console import say
from srscene.runtime.files import whole_folder
from srscene.runtime.machine import first_process
from srscene.runtime.params import Section, recorded


def prepare_weights(
    name: str, options: Section, patches: PatchStore, seed: int | None, out: Path, key: str
) -> None:
    """Fill the folder `out` with what the upscaler called `name` loads, in the first process.

    `seed` counts where the weights are fitted, `key` stands for all that decides them. Raises BadInput when
    the weights are not to be had, with what to download and where to put it.
    """
    if not first_process():
        return
    with whole_folder(out) as folder:
        card: dict[str, Any] = {"sr": name, "source": "none", "parameters": 0}
        if find_spec(f"srscene.sr.{name}.weights"):
            card |= import_module(f"srscene.sr.{name}.weights").prepare(options, patches, seed, folder, key)
        write_json(folder / "card.json", card | {"options": recorded(options)})
    say(f"weights: {card['source']}, {card['parameters']:,} parameters")

"""Makes `models/upscaler`: the weights of one upscaler and card.json, which says where they come from.

Of several processes the first one does it, since it is no work that can be shared; but all of them fit.
"""

import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srscene.core.store import PatchStore
from srscene.core.tables import write_json
from srscene.runtime.console import say
from srscene.runtime.files import whole_folder
from srscene.runtime.params import Section, recorded
from srscene.runtime.ranks import current


def prepare_weights(
    name: str, options: Section, patches: PatchStore, seed: int | None, out: Path, key: str
) -> None:
    """Fill the folder `out` with what the upscaler called `name` loads.

    `seed` and `key`, which stands for all that decides the result, count where it is fitted.

    Raises BadInput when the weights are not to be had, with what to download and where to put it.
    """
    if not current().main:
        if getattr(options, "source", None) == "fit":
            with tempfile.TemporaryDirectory() as unused:  # the first process writes the same weights
                _prepare(name, options, patches, seed, Path(unused), key)
        return
    with whole_folder(out) as folder:
        card: dict[str, Any] = {"sr": name, "source": "none", "parameters": 0}
        if find_spec(f"srscene.sr.{name}.weights"):
            card |= _prepare(name, options, patches, seed, folder, key)
        write_json(folder / "card.json", card | {"options": recorded(options)})
    say(f"weights: {card['source']}, {card['parameters']:,} parameters")


def _prepare(
    name: str, options: Section, patches: PatchStore, seed: int | None, folder: Path, key: str
) -> dict[str, Any]:
    """Have the upscaler's own module fill `folder`; return the card."""
    module = import_module(f"srscene.sr.{name}.weights")
    card: dict[str, Any] = module.prepare(options, patches, seed, folder, key)
    return card

"""Which upscalers there are, and the models of their sections; quick to import."""

from importlib import import_module
from pathlib import Path

from srscene.runtime.names import foreign
from srscene.runtime.params import Section

SHARED = ("common", "weights")
"""Folders of `srscene.sr` that are no upscaler's."""


def upscalers() -> list[str]:
    """Return the names that `sr` may hold: the folders that hold an `options.py`."""
    folders = (file.parent.name for file in Path(__file__).parents[1].glob("*/options.py"))
    return sorted(name for name in folders if name not in SHARED and not foreign(name))


def options_of(name: str) -> tuple[type[Section], type[Section]]:
    """Return the models of `upscalers.<name>.weights` and `upscalers.<name>.upscale`."""
    module = import_module(f"srscene.sr.{name}.options")
    return module.WeightsOptions, module.UpscaleOptions

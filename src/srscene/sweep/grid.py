"""Which cells a sweep is to hold: upscalers × backbones × seeds, and what else differs from params.yaml."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from srscene.check import root
from srscene.compare import results
from srscene.runtime.console import BadInput
from srscene.runtime.params import Section, at, load, validated
from srscene.sweep.experiments import overridden

AXES = ("sr", "backbone", "seed")


class Grid(Section):
    """A grid, as a file holds it; an axis that is left out has the one value of params.yaml."""

    sr: list[str] | None = None
    backbone: list[str] | None = None
    seed: list[int] | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    """Other parameters of all cells, by their dotted keys."""


class Wanted(NamedTuple):
    """A cell of the grid: its experiment's name, the parameters that make it, and its identity."""

    name: str
    sr: str
    backbone: str
    overrides: tuple[str, ...]
    identity: str


def from_options(file: Path | None, sr: str | None, backbone: str | None, seed: str | None) -> Grid:
    """Return the grid in a YAML file, if any, with those axes replaced that are given, comma-separated."""
    values = dict(load(file)) if file else {}
    for axis, text in zip(AXES, (sr, backbone, seed), strict=True):
        if text is not None:
            parts = [part.strip() for part in text.split(",") if part.strip()]
            values[axis] = [int(part) if axis == "seed" and part.isdecimal() else part for part in parts]
    return validated(values, "grid", Grid, file or Path("srscene sweep"))


def wanted(grid: Grid, overrides: Sequence[str] = ()) -> list[Wanted]:
    """Return the grid's cells, in an order in which the first ones need different upscalers.

    `overrides` are `key=value`, as `dvc exp run -S` takes them. Raises BadInput for the first combination
    that params.yaml's models refuse.
    """
    params = load()
    more = [*(text for key, value in grid.set.items() for text in _texts(key, value)), *overrides]
    for key in (text.partition("=")[0] for text in more):
        at(params, key)
        if key in AXES:
            raise BadInput(
                f"{key}: an axis of the grid; give its values there, not as one parameter of all cells"
            )
    params = overridden(more) if more else params
    axes = [dict.fromkeys(getattr(grid, axis) or [at(params, axis)]) for axis in ("backbone", "seed", "sr")]
    cells = []
    for backbone, seed, sr in product(*axes):
        own = params | {"sr": sr, "backbone": backbone, "seed": seed}
        validated(own, "", root())
        choice = (f"sr={sr}", f"backbone={backbone}", f"seed={seed}", *more)
        name = results.cell_name(sr, backbone, seed)
        cells.append(Wanted(name, sr, backbone, choice, results.identity(own)))
    return cells


def _texts(key: str, value: Any) -> Iterator[str]:
    """Yield `key=value` as `dvc exp run -S` takes it, for each parameter of a section."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(f"{key}.{name}", inner)
    elif isinstance(value, str):
        quoted = re.sub(r"(\\*)('|\Z)", lambda found: 2 * found[1] + (found[2] and "\\'"), value)
        yield f"{key}='{quoted}'"
    else:
        yield f"{key}={json.dumps(value, default=str)}"

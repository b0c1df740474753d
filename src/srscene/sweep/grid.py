"""Which cells a sweep is to hold: upscalers × backbones × seeds, and what else differs from params.yaml."""

import copy
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field

from srscene.check import checked
from srscene.compare import results
from srscene.runtime.console import BadInput
from srscene.runtime.params import Section, at, load, validated

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
            values[axis] = [yaml.safe_load(part) for part in parts] if axis == "seed" else parts
    return validated(values, "grid", Grid, file or Path("srscene sweep"))


def wanted(grid: Grid, overrides: Sequence[str] = ()) -> list[Wanted]:
    """Return the grid's cells, in an order in which the first ones need different upscalers.

    `overrides` are `key=value`, as `dvc exp run -S` takes them. Raises BadInput for the first combination
    that params.yaml's models refuse.
    """
    more = [*(f"{key}={_text(value)}" for key, value in grid.set.items()), *overrides]
    if axis := next((key for key in (text.partition("=")[0] for text in more) if key in AXES), None):
        raise BadInput(
            f"{axis}: an axis of the grid; give its values there, not as one parameter of all cells"
        )
    params = load()
    axes = [dict.fromkeys(getattr(grid, axis) or [at(params, axis)]) for axis in ("backbone", "seed", "sr")]
    cells = []
    for backbone, seed, sr in product(*axes):
        choice = (f"sr={sr}", f"backbone={backbone}", f"seed={seed}", *more)
        params = checked(overridden(params, choice))
        name = results.cell_name(params["sr"], params["backbone"], params["seed"])
        cells.append(Wanted(name, params["sr"], params["backbone"], choice, results.identity(params)))
    return cells


def overridden(params: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `params` with `key=value` replaced; raises BadInput for a key that is not there."""
    params = copy.deepcopy(params)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals:
            raise BadInput(f"{override!r}: expected key=value, e.g. classifier.epochs=8")
        at(params, path)
        above, _, last = path.rpartition(".")
        (at(params, above) if above else params)[last] = yaml.safe_load(text)
    return params


def _text(value: Any) -> str:
    """Return a value as YAML writes it in a line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()

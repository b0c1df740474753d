"""params.yaml, as all of it is looked through before anything starts: its text, its keys and its values.

A digit changed into another is a choice like any other: nobody can tell what was meant.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from numpy.random import Generator, default_rng

from dev.robustness.judge import Attempt
from dev.robustness.mutations import UNSEEN, damage, restore
from srscene.check import check
from tests.options import PARAMS, written

TEXT = (Path(__file__).parents[2] / "params.yaml").read_bytes()
NEVER: tuple[Any, ...] = (
    None, [], {}, [1, 2], {"a": 1}, float("nan"), float("inf"), date(2020, 1, 1), b"\0\xff", "nine\x1b[31m",
    "e" * 100_000, "\u202e" * 3, -(10**400),
)  # fmt: skip
"""What no parameter can be, of those that take no free text."""
FREE = {"prompt", "added_prompt", "negative_prompt", "source"}
"""The parameters that do."""


def text(folder: Path, seed: int) -> Iterator[Attempt]:
    """The committed text, with its comments."""
    file = folder / "params.yaml"
    for number in count():
        kind = damage(file, TEXT, default_rng([seed, number]))
        # a text that was cut may still hold all that there must be
        unchecked = kind in UNSEEN
        yield Attempt(f"{kind}, seed {[seed, number]}", partial(check, file), PARAMS, (file.name,), unchecked)


def values(folder: Path, seed: int) -> Iterator[Attempt]:
    """Sound YAML, in which one key or one value can't be meant."""
    file = folder / "params.yaml"
    for number in count():
        rng = default_rng([seed, number])
        changed = deepcopy(PARAMS)
        what = str(rng.choice([*CHANGES]))
        where = CHANGES[what](changed, rng)
        restore(file, written(changed).encode())
        yield Attempt(f"{where}: {what}, seed {[seed, number]}", partial(check, file), PARAMS, (file.name,))


def _renamed(section: dict[str, Any], key: str, rng: Generator) -> None:
    at = int(rng.integers(len(key) + 1))
    section[key[:at] + "x é\0."[int(rng.integers(5))] + key[at:]] = section.pop(key)


def _dropped(section: dict[str, Any], key: str, rng: Generator) -> None:
    del section[key]


def _impossible(section: dict[str, Any], key: str, rng: Generator) -> None:
    section[key] = NEVER[int(rng.integers(len(NEVER)))]


def _anywhere(change: Callable[[dict[str, Any], str, Generator], None]) -> Callable[[Any, Generator], str]:
    def changed(values: dict[str, Any], rng: Generator) -> str:
        places = [place for place in _places(values) if place[1] not in FREE]
        section, key = places[int(rng.integers(len(places)))]
        change(section, key, rng)
        return key

    return changed


def _places(section: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the section and the key of each parameter."""
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from _places(value)
        elif not isinstance(value, dict):
            yield section, key


CHANGES = {
    "renamed": _anywhere(_renamed),
    "dropped": _anywhere(_dropped),
    "impossible": _anywhere(_impossible),
}

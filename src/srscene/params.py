"""Reads params.yaml.

A stage asks for a value by the same key that `dvc.yaml` declares for it, `${sr}` included, and says what it
must be. Each package owns the model of its own section, so that an edit to one section's model is not a
change to the code of every other stage.
"""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from srscene.console import BadInput

T = TypeVar("T")
FILE = Path("params.yaml")
Seed = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """Base of every section's model: unknown keys and wrong types are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def read(key: str, kind: type[T], file: Path = FILE) -> T:
    """Return the value at `key`, e.g. `"classifier"` or `"upscalers.${sr}"`, validated as `kind`.

    Raises BadInput when the key is missing or its value is not a valid `kind`.
    """
    values = _load(file)
    path = re.sub(r"\$\{([\w.]+)\}", lambda match: str(_at(values, match[1], file)), key)
    try:
        return TypeAdapter(kind).validate_python(_at(values, path, file))
    except ValidationError as error:
        lines = "; ".join(_explain(path, problem) for problem in error.errors())
        raise BadInput(f"{file}: {lines}") from None


def _explain(path: str, problem: Any) -> str:
    keys = [str(part) for part in problem["loc"] if re.fullmatch(r"\w+", str(part))]  # not pydantic's own
    where = ".".join([path, *keys])
    found = problem["input"]
    hint = ""
    if isinstance(found, str) and re.fullmatch(r"\d+e-?\d+", found):
        hint = f" (YAML reads {found} as text: write {found.replace('e', '.0e')})"
    return f"{where}: {problem['msg']}, found {found!r}{hint}"


@cache
def _load(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise BadInput(f"{file}: not found; run from the top folder of the repository")
    try:
        values = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise BadInput(f"{file}: not YAML: {' '.join(str(error).split())}; mend it there") from None
    if not isinstance(values, dict):
        raise BadInput(f"{file}: expected a mapping at the top, found {type(values).__name__}")
    return values


def _at(values: Any, path: str, file: Path) -> Any:
    for depth, name in enumerate(path.split(".")):
        if not isinstance(values, dict) or name not in values:
            known = f"; known there: {', '.join(map(str, values))}" if isinstance(values, dict) else ""
            missing = ".".join(path.split(".")[: depth + 1])
            raise BadInput(f"{file}: no parameter {missing!r}{known}")
        values = values[name]
    return values

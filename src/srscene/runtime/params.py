"""Reads params.yaml.

A stage asks for a value by the same key that `dvc.yaml` declares for it, `${sr}` included, and says what it
must be. Each package owns the model of its own section, so that an edit to one section's model is not a
change to the code of every other stage. Values stand in params.yaml alone: the models have no defaults.
"""

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from srscene.runtime.console import BadInput, brief
from srscene.runtime.reading import read_bytes, reading

T = TypeVar("T")
FILE = Path("params.yaml")
LARGEST = 1_000_000
"""Bytes of a params.yaml."""
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
"""What NumPy, PyTorch and scikit-learn all take."""
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16"]


class Section(BaseModel):
    """Base of every section's model: unknown keys, wrong types, NaN and infinity are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Neutral:
    """Marks, in an option's Annotated type, the value at which results are as without the option."""

    value: Any


def recorded(options: Section) -> dict[str, Any]:
    """Return options as outputs record them, without neutral ones: then a new option changes no byte."""
    values = {name: getattr(options, name) for name in type(options).model_fields}
    return {
        name: recorded(value) if isinstance(value, Section) else value
        for name, value in values.items()
        if Neutral(value) not in type(options).model_fields[name].metadata
    }


def restored(kind: type[Section], values: Any) -> Any:
    """Return what `recorded` made of a `kind`, with its neutral options again; anything else as it is."""
    marks = [(name, mark) for name, field in kind.model_fields.items() for mark in field.metadata]
    neutral = {name: mark.value for name, mark in marks if isinstance(mark, Neutral)}
    return {**neutral, **values} if isinstance(values, Mapping) else values


def read(key: str, kind: type[T], file: Path = FILE) -> T:
    """Return the value at `key`, e.g. `"classifier"` or `"upscalers.${sr}.weights"`, validated as `kind`.

    Raises BadInput when the key is missing or its value is not a valid `kind`.
    """
    values = load(file)
    path = re.sub(r"\$\{([\w.]+)\}", lambda match: str(at(values, match[1], file)), key)
    return validated(at(values, path, file), path, kind, file)


def validated(value: Any, path: str, kind: type[T], file: Path = FILE) -> T:
    """Return `value`, found at `path` of `file`, as a `kind`; raises BadInput with all that is wrong."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        problems = "; ".join(_explain(path, kind, problem) for problem in error.errors())
        raise BadInput(f"{file}: {problems}") from None


def near(name: object, known: list[str]) -> str:
    """Return what to say after a name that is not among `known`: the nearest one, and the others."""
    close = get_close_matches(str(name), known, 1, 0.6)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}known: {', '.join(known)}"


@cache
def load(file: Path = FILE) -> dict[str, Any]:
    """Return all of params.yaml; raises BadInput where there is none, or it is not a mapping."""
    if not file.exists():
        raise BadInput(f"{file}: not found; run from the top folder of the repository")
    with reading(file, "YAML", "mend it there, or get it back with `git restore`"):
        values = yaml.load(read_bytes(file, LARGEST), _Loader)
    if not isinstance(values, dict):
        raise BadInput(f"{file}: expected a mapping at the top, found {type(values).__name__}")
    return values


class _Loader(yaml.SafeLoader):
    """Refuses what PyYAML takes in silence: of two equal keys the last, and keys that are no names."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for name, _ in node.value:
            if name.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(name), name.start_mark.line + 1
            if not isinstance(key, str):
                raise ValueError(f"line {line}: the key {key!r} is no name")
            if key in seen:
                raise ValueError(f"line {line}: the key {key!r} stands there a second time")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    value: int = loader.construct_yaml_int(node)
    if value.bit_length() > 64:  # of thousands of digits, Python refuses to print them
        raise ValueError(f"line {node.start_mark.line + 1}: a number of {value.bit_length()} bits")
    return value


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def _explain(path: str, kind: Any, problem: Any) -> str:
    *above, last = problem["loc"] or ("",)
    keys = [str(part) for part in above if re.fullmatch(r"\w+", str(part))]  # not pydantic's own
    if problem["type"] == "extra_forbidden":
        name = brief(last, 60)
        return f"{'.'.join([path, *keys, name])}: no such parameter; {near(name, _fields(kind, keys))}"
    where = ".".join([path, *keys, *([str(last)] if re.fullmatch(r"\w+", str(last)) else [])])
    found = problem["input"]
    hint = ""
    if isinstance(found, str) and re.fullmatch(r"\d+e-?\d+", found):
        hint = f" (YAML reads {found} as text: write {found.replace('e', '.0e')})"
    return f"{where}: {problem['msg']}, found {reprlib.repr(found)}{hint}"


def _fields(kind: Any, keys: list[str]) -> list[str]:
    for key in keys:
        kind = kind.model_fields[key].annotation
    return list(kind.model_fields)


def at(values: Any, path: str, file: Path = FILE) -> Any:
    """Return the value at a dotted `path`; raises BadInput, with the nearest names, where there is none."""
    for depth, name in enumerate(path.split(".")):
        if not isinstance(values, dict) or name not in values:
            known = f"; {near(name, [*map(str, values)])}" if isinstance(values, dict) else ""
            missing = ".".join(path.split(".")[: depth + 1])
            raise BadInput(f"{file}: no parameter {missing!r}{known}")
        values = values[name]
    return values

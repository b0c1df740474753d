"""Reads params.yaml, as DVC reads it: YAML 1.2, by the same parser.

A stage asks for a value by the same key that `dvc.yaml` declares for it, `${sr}` included, and says what it
must be. Each package owns the model of its own section, so that an edit to one section's model is not a
change to the code of every other stage. Values stand in params.yaml alone: the models have no defaults.
"""

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from srscene.runtime.console import BadInput, brief
from srscene.runtime.reading import read_bytes, reading

T = TypeVar("T")
FILE = Path("params.yaml")
LARGEST = 1_000_000
"""Bytes of a params.yaml."""
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
"""What NumPy, PyTorch and scikit-learn all take."""
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16"]
RAISED = (ArithmeticError, AssertionError, LookupError, RecursionError, TypeError, ValueError, YAMLError)
"""By ruamel, for what it can't read: an IndexError for `-_`, a KeyError for `!!bool maybe`."""


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


def load(file: Path = FILE) -> dict[str, Any]:
    """Return all of params.yaml; raises BadInput where there is none, or it is not a mapping."""
    if not file.exists():
        raise BadInput(f"{file}: not found; run from the top folder of the repository")
    with reading(file, "YAML", "mend it there, or get it back with `git restore`"):
        values = parse(read_bytes(file, LARGEST))
    if not isinstance(values, dict):
        raise BadInput(f"{file}: expected a mapping at the top, found {type(values).__name__}")
    return values


def parse(data: bytes) -> Any:
    """Return what YAML 1.2 holds, as DVC reads it; raises ValueError where it is not sound."""
    yaml = YAML(typ="safe")  # as dvc.utils.serialize has it
    yaml.Constructor = _Constructor
    try:
        return yaml.load(data.decode())
    except MarkedYAMLError as error:
        raise ValueError(f"line {error.problem_mark.line + 1}: {error.problem}") from None
    except RAISED as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


class _Constructor(SafeConstructor):
    """Refuses more than DVC: keys that are no names, numbers that Python refuses to print.

    Of two equal keys, no values are printed: aliases may have made them huge.
    """

    def construct_scalar(self, node: Any) -> Any:
        if node.tag.endswith(":int") and len(node.value) > 100:
            raise ConstructorError(None, None, f"a number of {len(node.value)} digits", node.start_mark)
        return super().construct_scalar(node)

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        if not isinstance(key, str) or key in mapping:
            why = "stands there a second time" if isinstance(key, str) else "is no name"
            raise ConstructorError(None, None, f"the key {reprlib.repr(key)} {why}", key_node.start_mark)
        return True


def _explain(path: str, kind: Any, problem: Any) -> str:
    """Return one of pydantic's errors in words: where, what was expected, what was found."""
    names = [name for name in map(str, problem["loc"]) if re.fullmatch(r"\w+", name)]  # not pydantic's own
    found = reprlib.repr(problem["input"])
    said = f"{problem['msg'].partition(' or instance of ')[0]}, found {found}"
    match problem["type"]:
        case "missing":
            said = problem["msg"]
        case "value_error":
            said = str(problem["ctx"]["error"])
        case "literal_error" if isinstance(problem["input"], str):
            choices = re.findall("'(.*?)'", problem["ctx"]["expected"])
            said = f"there is no {found}; {near(problem['input'], choices)}"
        case "extra_forbidden":
            *above, name = problem["loc"]
            model = reduce(lambda model, key: model.model_fields[key].annotation, above, kind)
            names, said = [*above, brief(name, 60)], f"no such parameter; {near(name, [*model.model_fields])}"
    return f"{'.'.join(filter(None, [path, *names]))}: {said}"


def at(values: Any, path: str, file: Path = FILE) -> Any:
    """Return the value at a dotted `path`; raises BadInput, with the nearest names, where there is none."""
    names = path.split(".")
    for depth, name in enumerate(names, 1):
        if not isinstance(values, dict) or name not in values:
            known = f"; {near(name, [*map(str, values)])}" if isinstance(values, dict) else ""
            raise BadInput(f"{file}: no parameter {'.'.join(names[:depth])!r}{known}")
        values = values[name]
    return values

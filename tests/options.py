"""Options for tests: those of params.yaml, with some values replaced."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from srscene.runtime.params import parse, validated

T = TypeVar("T")
PARAMS = parse((Path(__file__).parents[1] / "params.yaml").read_bytes())


def section(key: str, kind: type[T], **changes: Any) -> T:
    """Return the section at `key`, e.g. `"upscalers.hat.upscale"`, as a `kind`, with `changes` merged in."""
    values = PARAMS
    for name in key.split("."):
        values = values[name]
    return validated(merged(values, changes), key, kind)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with the values of `new`, mappings merged into mappings."""
    return {**old} | {
        key: merged(old[key], value)
        if isinstance(value, Mapping) and isinstance(old.get(key), Mapping)
        else value
        for key, value in new.items()
    }


def written(values: object) -> str:
    """Return YAML 1.2 that holds `values`, a parameter a line."""
    yaml, text = YAML(typ="safe"), io.StringIO()
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = False, False
    yaml.dump(values, text)
    return text.getvalue()

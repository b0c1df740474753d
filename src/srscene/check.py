"""Checks all of params.yaml at once, and where it is run, before anything slow starts.

Each section's model lives in the package that uses it, in a module that is quick to import.
"""

import os
import re
import shutil
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import Strict

from srscene.classify.options import PAPER, ClassifierOptions
from srscene.evaluate.options import EvaluateOptions
from srscene.explain.options import ExplainOptions
from srscene.ingest.options import IngestOptions
from srscene.raw.landscape.options import SyntheticOptions
from srscene.runtime.console import BadInput
from srscene.runtime.machine import Machine
from srscene.runtime.params import FILE, Seed, at, load, near, validated
from srscene.sr.common.names import options_of, upscalers

Name = Annotated[str, Strict()]
DATASETS = {"synthetic": SyntheticOptions, "examples": IngestOptions, "bigearthnet": IngestOptions}


def check(file: Path = FILE) -> dict[str, Any]:
    """Return all of params.yaml, every section of which is sound; raises BadInput with all that is wrong."""
    return checked(load(file), file)


def checked(values: dict[str, Any], file: Path = FILE) -> dict[str, Any]:
    """Return `values`, those of `file`, as they are; raises BadInput with all that is wrong in them."""
    problems = []
    sound: dict[str, Any] = {}
    for path, kind in models().items():
        try:
            sound[path] = validated(at(values, path, file), path, kind, file)
        except BadInput as error:
            problems.append(str(error).removeprefix(f"{file}: "))
    problems += _strangers(values) + _names(values) + _overlap(sound)
    if problems:
        raise BadInput(f"{file}: {'; '.join(problems)}")
    return values


def models() -> dict[str, Any]:
    """Return what must be at each path of params.yaml."""
    found: dict[str, Any] = {
        "dataset": Name,
        "sr": Name,
        "backbone": Name,
        "seed": Seed,
        "machine": Machine,
        **{f"datasets.{name}": kind for name, kind in DATASETS.items()},
    }
    for name in upscalers():
        weights, upscale = options_of(name)
        found |= {f"upscalers.{name}.weights": weights, f"upscalers.{name}.upscale": upscale}
    return found | {
        "classifier": ClassifierOptions,
        "evaluate": EvaluateOptions,
        "explain": ExplainOptions,
    }


def fit_seed(values: dict[str, Any]) -> int | None:
    """Return the seed where the selected upscaler's weights are to be fitted, else None."""
    fitted = values["upscalers"][values["sr"]]["weights"].get("source") == "fit"
    return int(values["seed"]) if fitted else None


def surroundings() -> None:
    """Raise BadInput where the pipeline can't run from here, saying how it can."""
    here = Path.cwd()
    top = next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").exists()), None)
    if top is None:
        raise BadInput(f"{here}: no dvc.yaml here or above; go into your clone of srscene")
    if top != here:
        raise BadInput(f"{here}: a subfolder; run from the top of the repository: cd {os.path.relpath(top)}")
    if not (here / ".git").exists():
        raise BadInput(
            f"{here}: no .git here (a downloaded zip?), but DVC keeps its experiments in git; run "
            "`git init && git add -A && git commit -m 'As downloaded'`, or clone the repository instead"
        )
    if not shutil.which("dvc"):
        raise BadInput("dvc: not on the PATH; run `source .venv/bin/activate`, after `make env` made .venv")


def _strangers(values: dict[str, Any]) -> list[str]:
    """Return a problem for each key that no model stands behind, down to the sections."""
    known = dict.fromkeys(models())
    problems = []

    def look(found: Any, above: str) -> None:
        prefix = f"{above}." if above else ""
        names = list(
            dict.fromkeys(
                path.removeprefix(prefix).split(".")[0] for path in known if path.startswith(prefix)
            )
        )
        for name in found if isinstance(found, dict) else ():
            path = f"{prefix}{name}"
            if name not in names:
                problems.append(f"{path}: no such parameter; {near(name, names)}")
            elif path not in known:
                look(found[name], path)

    look(values, "")
    return problems


def _names(values: dict[str, Any]) -> list[str]:
    """Return a problem for each of `dataset`, `sr` and `backbone` that names nothing."""
    problems = []
    for key, known in (("dataset", list(DATASETS)), ("sr", upscalers())):
        if isinstance(name := values.get(key), str) and name not in known:
            problems.append(f"{key}: there is no {name!r}; {near(name, known)}")
    if isinstance(name := values.get("backbone"), str):
        problems += _backbone(name)
    return problems


def _overlap(sound: dict[str, Any]) -> list[str]:
    """Return a problem where SeeSR's weights make its tiles overlap by a whole tile."""
    weights, upscale = sound.get("upscalers.seesr.weights"), sound.get("upscalers.seesr.upscale")
    if weights is None or upscale is None:
        return []
    try:
        upscale.resolved(weights.turbo)
    except BadInput as error:
        return [str(error).removeprefix(f"{FILE}: ")]
    return []


def _backbone(name: str) -> list[str]:
    known = timm_names()
    if "." in name:  # with a tag of its weights, which timm alone knows
        import timm

        known = timm.list_pretrained()
    if name in known:
        return []
    nearest = ", ".join(get_close_matches(name, known, 5, 0.5))
    return [f"backbone: timm knows no {name!r}; {near(name, list(PAPER))}; nearest in timm: {nearest}"]


def timm_names() -> list[str]:
    """Return the names of all of timm's models, from its source files: importing it takes seconds."""
    spec = find_spec("timm")
    folders = list(spec.submodule_search_locations or []) if spec else []
    names: list[str] = []
    for file in sorted(file for folder in folders for file in Path(folder, "models").glob("*.py")):
        source = file.read_text()
        names += re.findall(r"^@register_model\s+def (\w+)\(", source, re.M)
        for renamed in re.findall(
            r"^register_model_deprecations\(__name__, \{(.*?)\}\)", source, re.M | re.S
        ):
            names += re.findall(r"""['"](\w+)['"]\s*:""", renamed)
    return names

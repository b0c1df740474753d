"""Checks all of params.yaml at once, and where it is run, before anything slow starts.

Each section's model lives in the package that uses it, in a module that is quick to import.
"""

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, create_model

from srscene.classify.options import PAPER, ClassifierOptions
from srscene.evaluate.options import EvaluateOptions
from srscene.explain.options import ExplainOptions
from srscene.ingest.options import IngestOptions
from srscene.raw.landscape.options import SyntheticOptions
from srscene.runtime.console import BadInput
from srscene.runtime.machine import Machine
from srscene.runtime.params import FILE, Section, Seed, load, validated
from srscene.sr.common.names import options_of, upscalers

DATASETS = {"synthetic": SyntheticOptions, "examples": IngestOptions, "bigearthnet": IngestOptions}


def check(file: Path = FILE) -> dict[str, Any]:
    """Return all of params.yaml, every section of which is sound; raises BadInput with all that is wrong."""
    values = load(file)
    validated(values, "", root(), file)
    return values


@cache
def root() -> type[Section]:
    """Return the model of all of params.yaml."""
    models: dict[str, Any] = {}
    for name in upscalers():
        weights, upscale = options_of(name)
        models[name] = _section(weights=weights, upscale=upscale)
        if hasattr(upscale, "check_weights"):
            models[name] = Annotated[models[name], _unless_refused(_agree)]
    return _section(
        dataset=Literal[*DATASETS],
        sr=Literal[*models],
        backbone=Annotated[str, _unless_refused(_is_known)],
        seed=Seed,
        machine=Machine,
        datasets=_section(**DATASETS),
        upscalers=_section(**models),
        classifier=ClassifierOptions,
        evaluate=EvaluateOptions,
        explain=ExplainOptions,
    )


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


def _section(**kinds: Any) -> type[Section]:
    """Return the model of a section that holds these kinds of values, all of them."""
    fields: dict[str, Any] = {name: (kind, ...) for name, kind in kinds.items()}
    return create_model("Section", __base__=Section, **fields)


def _unless_refused(look: Callable[[Any], object]) -> AfterValidator:
    """Return a validator of what `look` raises no BadInput for."""

    def validate(value: Any) -> Any:
        try:
            look(value)
        except BadInput as error:
            raise ValueError(str(error).split(": ", 2)[2]) from None  # behind the file and the key
        return value

    return AfterValidator(validate)


def _agree(upscaler: Any) -> None:
    upscaler.upscale.check_weights(upscaler.weights)


def _is_known(backbone: str) -> None:
    if backbone not in PAPER:
        from srscene.classify.backbone import check_backbone  # it takes seconds

        check_backbone(backbone)

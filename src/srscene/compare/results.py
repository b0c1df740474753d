"""What an experiment's commit says it found, and whether that is so.

A result counts only if dvc.lock agrees with params.yaml of the same commit, each stage read what the one
before wrote, the metrics are the very files that `evaluate` wrote, and DVC's cache has the predictions.
What `assess` and `explain` say is left out where they did not look at this result.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from hashlib import md5, sha256
from pathlib import Path
from typing import Any, NamedTuple

from srscene.compare.cell import Cell
from srscene.runtime.console import BadInput, brief
from srscene.runtime.params import parse
from srscene.sweep import experiments
from srscene.sweep.experiments import Experiment

STAGES = ("ingest", "weights", "upscale", "train", "predict", "evaluate")
"""That a result needs."""
TEST, CLASSES = "metrics/test.json", "metrics/classes.json"
FIDELITY, COVERAGE = "metrics/upscaling.json", "metrics/explain.json"
PREDICTIONS = "data/predictions.h5"
OUTS = ("data/patches", "data/upscaled", "models/upscaler", "models/classifier", PREDICTIONS)
_parsed = cache(parse)
"""A dvc.lock takes 60 ms, and a sweep reads those of all experiments twice where it runs them again."""


class Result(NamedTuple):
    """A sound experiment: the cell, all of its params.yaml, and the hashes of the code that made it."""

    cell: Cell
    params: dict[str, Any]
    code: dict[str, str]


class Unusable(NamedTuple):
    """An experiment that does not count, and why; its identity if it only has to be pulled."""

    experiment: Experiment
    why: str
    unpulled: str | None = None


def cell_name(sr: str, backbone: str, seed: int) -> str:
    """Return a cell's name, e.g. srresnet-resnet50-s0."""
    return f"{sr}-{backbone}-s{seed}"


def read(found: Sequence[Experiment], cache: Path) -> tuple[list[Result], list[Unusable]]:
    """Return what counts among these experiments, in their order, and what does not."""
    paths = ("params.yaml", "dvc.lock", TEST, CLASSES, FIDELITY, COVERAGE)
    results: list[Result] = []
    unusable: list[Unusable] = []
    for experiment, content in zip(found, experiments.files(found, paths), strict=True):
        try:
            result = _result(experiment, content, cache)
        except (BadInput, KeyError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, BadInput) else f"damaged ({brief(repr(error))})"
            unusable.append(Unusable(experiment, why))
            continue
        if PREDICTIONS in result.cell.outs:
            results.append(result)
        else:
            why = "its predictions are not in DVC's cache: run `dvc exp pull` or `dvc pull`"
            unusable.append(Unusable(experiment, why, identity(result.params)))
    return results, unusable


def _result(experiment: Experiment, content: dict[str, bytes], cache: Path) -> Result:
    for path in ("params.yaml", "dvc.lock", TEST, CLASSES):
        if path not in content:
            raise BadInput(f"{path} is not there: the pipeline did not end")
    params = _parsed(content["params.yaml"])
    stages = _parsed(content["dvc.lock"])["stages"]
    if why := disagreement(stages, params, content):
        raise BadInput(why)
    outs = _outs(stages, STAGES)
    kept = {path: experiments.cached(cache, outs[path]) for path in OUTS}
    sr, backbone, seed = params["sr"], params["backbone"], params["seed"]
    words = {
        "experiment": experiment.name,
        "commit": experiment.commit,
        "dataset": params["dataset"],
        "params": fingerprint(params),
    } | {path: outs[path].removesuffix(".dir") for path in OUTS}
    words |= _threads(kept["models/classifier"], cache)
    cell = Cell(
        name=cell_name(sr, backbone, seed),
        sr=sr,
        backbone=backbone,
        seed=seed,
        metrics=json.loads(content[TEST]),
        classes=json.loads(content[CLASSES]),
        fidelity=_aside(FIDELITY, "assess", stages, params, content),
        coverage=_aside(COVERAGE, "explain", stages, params, content),
        provenance=words,
        setting=setting(params),
        predictions=kept[PREDICTIONS],
        outs={path: place for path, place in kept.items() if place.is_file()},
    )
    return Result(cell, params, _code(stages))


def _threads(classifier: Path, cache: Path) -> dict[str, str]:
    """Return the threads that a CPU trained with, where the classifier's card is in the cache and tells."""
    with suppress(OSError, KeyError, TypeError, ValueError):
        files = {entry["relpath"]: entry["md5"] for entry in json.loads(classifier.read_bytes())}
        card = json.loads(experiments.cached(cache, files["card.json"]).read_bytes())
        return {"threads": str(card["training"]["threads"])}
    return {}


def disagreement(stages: dict[str, Any], params: dict[str, Any], content: dict[str, bytes]) -> str | None:
    """Return in what dvc.lock's `stages` disagree with `params`, with each other, or with the files."""
    for name in STAGES:
        if why := _misfit(name, stages, params):
            return why
    made = _outs(stages, STAGES)
    for path in (TEST, CLASSES):
        if md5(content[path]).hexdigest() != made.get(path):
            return f"{path} is not what evaluate wrote"
    return None


def _misfit(name: str, stages: dict[str, Any], params: dict[str, Any]) -> str | None:
    """Return in what a stage disagrees with `params`, or with the stages whose outs it read."""
    if name not in stages:
        return f"{name} did not end"
    for path, value in stages[name].get("params", {}).get("params.yaml", {}).items():
        if value != (wanted := _at(params, path)):
            return f"{name} ran with {path}: {brief(value, 60)}, not {brief(wanted, 60)}"
    made = _outs(stages, STAGES)
    for dep in stages[name].get("deps", ()):
        if made.get(dep["path"], dep["md5"]) != dep["md5"]:
            return f"{name} ran on another {dep['path']}"
    return None


def _aside(
    path: str, name: str, stages: dict[str, Any], params: dict[str, Any], content: dict[str, bytes]
) -> dict[str, Any]:
    """Return what a stage beside the result wrote; nothing where it did not run on this result."""
    if path not in content or _misfit(name, stages, params):
        return {}
    sound = md5(content[path]).hexdigest() == _outs(stages, [name]).get(path)
    return dict(json.loads(content[path])) if sound else {}


def _outs(stages: dict[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Return the hash of each out of those of these stages that ended."""
    ended = [stages[name] for name in names if name in stages]
    return {out["path"]: out["md5"] for stage in ended for out in stage.get("outs", ())}


def setting(params: dict[str, Any]) -> dict[str, Any]:
    """Return what decides a result besides the upscaler, the backbone and the seed."""
    return {
        "dataset": params["dataset"],
        f"datasets.{params['dataset']}": params["datasets"][params["dataset"]],
        "classifier": params["classifier"],
        "evaluate.threshold": params["evaluate"]["threshold"],
    }


def identity(params: dict[str, Any]) -> str:
    """Return what two experiments share if they are the same cell, whatever the commit."""
    own = {key: params[key] for key in ("sr", "backbone", "seed")}
    own["upscaler"] = params["upscalers"][params["sr"]]
    return canonical([setting(params), own])


def canonical(value: Any) -> str:
    """Return JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True)


def fingerprint(params: dict[str, Any]) -> str:
    """Return 12 hex digits that stand for `identity`."""
    return sha256(identity(params).encode()).hexdigest()[:12]


def short(identity: str) -> str:
    """Return four hex digits of an identity."""
    return sha256(identity.encode()).hexdigest()[:4]


def _code(stages: dict[str, Any]) -> dict[str, str]:
    """Return the hash of each source file or folder that a result depends on."""
    deps = [dep for name in STAGES for dep in stages[name].get("deps", ())]
    return {dep["path"]: dep["md5"] for dep in deps if dep["path"].startswith(("src/", "stages/"))}


def _at(params: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(params, dict) or name not in params:
            return None
        params = params[name]
    return params

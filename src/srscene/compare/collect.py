"""Which results are compared: sound ones of one setting, each cell once."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from srscene.compare import cell, results
from srscene.compare.cell import Cell, flat
from srscene.runtime.console import BadInput, brief, say
from srscene.sweep import experiments
from srscene.sweep.progress import read_measured
from srscene.sweep.run import LOGS


def from_folder(folder: Path) -> list[Cell]:
    """Return the results that `srscene compare -o` wrote; raises BadInput where there are none."""
    cells = cell.read(folder)
    if not cells:
        raise BadInput(f"{folder}: no results (*.json) in it; `srscene compare -o FOLDER` writes them")
    return cells


def from_experiments(names: Sequence[str] = ()) -> list[Cell]:
    """Return the results of the experiments of all commits, or of the named ones, saying what is left out.

    Of two for the same cell the newer one counts. What differs in more than upscaler, backbone and seed
    can't be compared: the setting that most cells share is taken, of equals the newest.
    """
    asked = experiments.named(names) if names else experiments.experiments()
    found, unusable = results.read(asked, experiments.cache())
    for experiment, why, _ in unusable:
        if names or experiment.name != "HEAD":  # which may hold no results yet
            say(f"compare: {experiment.name} does not count: {why}")
    if not found:
        raise BadInput("no experiment counts; `srscene sweep` or `dvc exp run` makes some")
    settings = [results.canonical(results.setting(result.params)) for result in found]
    newest = {setting: number for number, setting in enumerate(settings)}
    counts = Counter(settings)
    chosen = max(counts, key=lambda setting: (counts[setting], newest[setting]))
    if others := len(found) - counts[chosen]:
        other = next(result for result, own in zip(found, settings, strict=True) if own != chosen)
        like = found[newest[chosen]]
        say(
            f"compare: {others} with other settings left out, such as {other.cell.provenance['experiment']} "
            f"({_unlike(other.params, like.params)}); name those that you mean to compare them"
        )
    kept = [result for result, own in zip(found, settings, strict=True) if own == chosen]
    cells = {results.identity(result.params): result for result in kept}
    if changed := _other_code([result.code for result in cells.values()]):
        say(f"compare: not all were made by the same code: {changed} differs; `commit` in cells/ tells which")
    devices = {row.commit: row.device for row in read_measured(LOGS)}
    return cell.order(_with_device(result.cell, devices) for result in cells.values())


def _unlike(params: dict[str, Any], like: dict[str, Any]) -> str:
    """Return the first setting in which two experiments differ."""
    one, other = (flat(results.setting(values)) for values in (params, like))
    key = next(key for key in [*one, *other] if one.get(key) != other.get(key))
    return f"{key}: {brief(one.get(key), 40)}, not {brief(other.get(key), 40)}"


def _other_code(codes: Sequence[dict[str, str]]) -> str | None:
    """Return the first source file or folder of which results saw different contents."""
    seen: dict[str, str] = {}
    for code in codes:
        for path, content in code.items():
            if seen.setdefault(path, content) != content:
                return path
    return None


def _with_device(found: Cell, devices: dict[str, str]) -> Cell:
    commit = found.provenance["commit"]
    if commit in devices:
        found.provenance["device"] = devices[commit]
    return found

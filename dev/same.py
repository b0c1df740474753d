"""Tells whether the code still computes the same bytes, and where it does has DVC accept its edits.

make same

Runs a small pipeline, every stage of it and without scratch, in two worktrees: of the last commit that
changed dvc.lock, whose results are known, and of HEAD. Where all outs are equal, the stages here whose code
alone changed count as run. Else it names the stages that differ, and ends with status 1.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srscene.runtime.params import load

CODE = ("src/", "stages/")
FIT = {"source": "fit", "fit": {"features": 12, "blocks": 1, "steps": 4, "batch_size": 2}}
SMALL: dict[str, Any] = {
    "dataset": "synthetic",
    "backbone": "test_resnet",
    "datasets": {"synthetic": {"train": 6, "val": 3, "test": 3}},
    "upscalers": {"srresnet": {"weights": FIT}, "hat": {"weights": FIT}},
    "classifier": {"pretrained": False, "epochs": 2, "batch_size": 3, "crop": 0.2},
    "evaluate": {"resamples": 100},
    "explain": {"patches": 2, "rows": 2},
}
"""In place of what params.yaml has; the upscaler stays, as it is the one whose code is to be accepted."""


def main() -> None:
    if edited := run("git", "status", "--porcelain", "--", "dvc.yaml", "params.yaml", *CODE):
        sys.exit(f"error: only what is committed can be compared; commit first:\n{edited}")
    known = run("git", "log", "-1", "--format=%h", "--", "dvc.lock")
    if not known:
        sys.exit("error: dvc.lock: no commit has one, so nothing is known; run `dvc repro` and commit it")
    before, now = (outs_of_a_small_run(commit) for commit in (known, "HEAD"))
    if different := [stage for stage in before | now if before.get(stage) != now.get(stage)]:
        sys.exit(f"error: other results than those of {known}: {', '.join(different)}; run `dvc repro`")
    stages = code_alone(json.loads(run("dvc", "status", "--json")))
    if stages:
        run("dvc", "commit", "--force", *stages)
    print(f"the same results as those of {known}; code accepted in dvc.lock: {', '.join(stages) or 'none'}")


def outs_of_a_small_run(commit: str) -> dict[str, list[Any]]:
    """Run the pipeline of a commit with SMALL parameters; return each stage's outs, with their hashes."""
    print(f"a small run of {commit}", flush=True)
    with worktree(commit) as folder:
        params = folder / "params.yaml"
        params.write_text(json.dumps(merged(load(params), SMALL)))  # JSON is YAML
        run("dvc", "repro", folder=folder)
        stages = load(folder / "dvc.lock")["stages"]
        return {stage: values.get("outs", []) for stage, values in stages.items()}


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above).resolve() / "srscene"
        run("git", "worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield folder
        finally:
            run("git", "worktree", "remove", "--force", str(folder))


def code_alone(status: Mapping[str, Any]) -> list[str]:
    """Return the stages of which `dvc status` says that code was modified, and nothing else."""
    return [stage for stage, changes in status.items() if all(map(is_code, changes))]


def is_code(change: Any) -> bool:
    deps = change.get("changed deps", {}) if isinstance(change, Mapping) and len(change) == 1 else {}
    return bool(deps) and all(dep.startswith(CODE) and how == "modified" for dep, how in deps.items())


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with those values of `new` that it has a place for, sections merged into sections."""
    return {
        key: merged(value, new[key]) if isinstance(value, Mapping) and key in new else new.get(key, value)
        for key, value in old.items()
    }


def run(*command: str, folder: Path = Path()) -> str:
    """Return what a command prints; where it fails, end as it does, with all that it said."""
    environment = os.environ | {"PYTHONPATH": str((folder / "src").resolve()), "SRSCENE_LAUNCH": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}error: `{' '.join(command)}` failed in {folder.resolve()}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()

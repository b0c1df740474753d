"""What stands for a piece of work that survives a kill: all that was declared of it, and nothing else.

DVC decides what is stale. Work in scratch is found again under a key of what `dvc.yaml` declares for the
stage, so that an edit which reruns a stage never meets what the code, parameters or data before it made.
"""

import json
from collections.abc import Collection
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

from srscene.runtime.files import sha256 as file_sha256
from srscene.runtime.names import foreign
from srscene.runtime.params import at, load

PACKAGE = Path(__file__).parents[1]
PREFIX = "src/srscene/"
"""Of the code that `dvc.yaml` declares; what counts is the package that runs."""
LAUNCHER = "$SRSCENE_LAUNCH "
INDEX = "index.h5"
"""In a store; records the digest of each of its shards."""
_SCENE = ["scene", "core", "ingest/reflectance.py", "raw/layout.py"]
_UPSCALER = ["sr/common", "sr/${sr}/model", "sr/${sr}/options.py"]
COMMANDS = {"upscale": [*_SCENE, *_UPSCALER], "predict": [*_SCENE, *_UPSCALER, "classify", "figures.py"]}
"""The code, in the package, of the commands on a scene, which DVC does not know."""


def stage_key(stage: str) -> str:
    """Return 16 hex digits that stand for what `dvc.yaml`, in the working folder, declares for `stage`.

    They are the `cmd` without a launcher, parameters by value, code and data by content. Raises BadInput
    where a parameter is missing.
    """
    values = load()
    declared = load(Path("dvc.yaml"))["stages"][stage]

    def named(kind: str) -> list[str]:
        return [Template(name).substitute(values) for name in declared.get(kind, [])]

    params = {name: at(values, name) for name in named("params")}
    deps = {name: content(_place(name)) for name in named("deps")}
    return fingerprint([declared["cmd"].removeprefix(LAUNCHER), params, deps])


def scene_key(command: str, sr: str, settings: Any) -> str:
    """Return 16 hex digits that stand for `settings` and the code of `command`, a key of COMMANDS."""
    places = [Template(place).substitute(sr=sr) for place in COMMANDS[command]]
    return fingerprint([{place: content(PACKAGE / place) for place in places}, settings])


def with_device(key: str, kind: str, precision: str) -> str:
    """Return `key` for one kind of device, "cpu" or a GPU's name, a number format, and this PyTorch: others
    round differently. The number of threads and of processes is no part of it.
    """
    return fingerprint([key, kind, precision, version("torch")])


def content(place: Path, but: Collection[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder by its path in it, of a store's index alone, or of a file.

    What is `foreign` is left out, and names in `but`. Of what is not there, nothing is returned.
    """
    index = place / INDEX
    found = [index] if index.exists() else sorted(place.rglob("*")) if place.is_dir() else [place]
    names = {file.relative_to(place).as_posix(): file for file in found if file.is_file()}
    return {name: file_sha256(file) for name, file in names.items() if not (foreign(name) or name in but)}


def fingerprint(settings: Any) -> str:
    """Return 16 hex digits that stand for `settings`, which JSON can hold, or `str` can."""
    return sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _place(dep: str) -> Path:
    return PACKAGE / dep.removeprefix(PREFIX) if dep.startswith(PREFIX) else Path(dep)

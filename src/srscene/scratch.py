"""Work that survives a kill.

DVC deletes a stage's outs before it runs the stage, so finished pieces wait outside them, in
`$DVC_ROOT/.scratch/<stage>/<fingerprint>/`, and move into the out at the end. DVC sets DVC_ROOT to the real
repository also when it runs an experiment in a temporary copy, so both share finished work.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def root() -> Path:
    """The repository that DVC was started in, or the working folder."""
    return Path(os.environ.get("DVC_ROOT", "."))


def fingerprint(settings: Any, inputs: Iterable[Path] = ()) -> str:
    """Return 16 hex digits that stand for `settings` (JSON-able) and the bytes of all input files."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in inputs:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(file.name.encode())
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()[:16]


def scratch(stage: str, key: str) -> Path:
    """Return the folder for this stage's unfinished work with this fingerprint, made if need be."""
    folder = root() / ".scratch" / stage / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def publish(folder: Path, out: Path) -> None:
    """Move finished work to a stage's out, replacing what is there."""
    if out.exists():
        shutil.rmtree(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, out)

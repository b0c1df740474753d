"""Check all of params.yaml, so that a wrong value anywhere ends the run here; note which versions are locked.

dvc repro check
"""

import sys
from pathlib import Path

try:
    from srscene import versions
    from srscene.check import check, fit_seed
    from srscene.core.tables import write_json
    from srscene.runtime.console import run_stage
except ModuleNotFoundError as error:
    sys.exit(
        f"error: {sys.executable} has no {error.name}; run `source .venv/bin/activate`, or `make env` first"
    )


def main() -> None:
    values = check()
    write_json(Path("data/fit_seed.json"), fit_seed(values))
    versions.write(Path("data/versions"))


if __name__ == "__main__":
    run_stage(main)

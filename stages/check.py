"""Check all of params.yaml, so that a wrong value anywhere ends the run here, before a slow stage.

dvc repro check
"""

import sys
from pathlib import Path

try:
    from srscene.check import check, fit_seed
    from srscene.core.tables import write_json
    from srscene.runtime.console import run_stage
    from srscene.runtime.files import whole_file
except ModuleNotFoundError as error:
    sys.exit(
        f"error: {sys.executable} has no {error.name}; run `source .venv/bin/activate`, or `make env` first"
    )


def main() -> None:
    values = check()
    with whole_file(Path("data/checked.txt")) as file:
        file.write_text("params.yaml is sound\n")
    write_json(Path("data/fit_seed.json"), fit_seed(values))


if __name__ == "__main__":
    run_stage(main)

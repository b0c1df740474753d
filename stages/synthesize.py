"""Make procedural land cover in BigEarthNet's own layout, with its 2.5 m truth beside it.

dvc repro synthesize
"""

from pathlib import Path

from srscene.raw.landscape.options import SyntheticOptions
from srscene.raw.landscape.synthesize import make
from srscene.runtime import params
from srscene.runtime.console import run_stage, say


def main() -> None:
    splits = make(params.read("datasets.synthetic", SyntheticOptions), Path("data/raw/synthetic"))
    say("synthetic patches: " + ", ".join(f"{len(names)} {split}" for split, names in splits.items()))


if __name__ == "__main__":
    run_stage(main)

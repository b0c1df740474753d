"""data/raw/synthetic: procedural land cover in BigEarthNet's own layout, with its 2.5 m truth beside it."""

from pathlib import Path

from srscene import params
from srscene.console import run_stage, say
from srscene.raw.synthetic import Options, make


def main() -> None:
    splits = make(params.read("datasets.synthetic", Options), Path("data/raw/synthetic"))
    say("synthetic patches: " + ", ".join(f"{len(names)} {split}" for split, names in splits.items()))


if __name__ == "__main__":
    run_stage(main)

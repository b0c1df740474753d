"""Unpack six real BigEarthNet v1 patches, with the official splits of the five that have one.

dvc repro examples
"""

from pathlib import Path

from srscene.raw.examples import unpack
from srscene.runtime.console import run_stage, say


def main() -> None:
    splits = unpack(Path("data/raw/examples"))
    say("real patches: " + ", ".join(f"{len(names)} {split}" for split, names in splits.items()))


if __name__ == "__main__":
    run_stage(main)

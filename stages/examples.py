"""data/raw/examples: six real BigEarthNet v1 patches, with the official splits of the five that have one."""

from pathlib import Path

from srscene.console import run_stage, say
from srscene.raw.examples import unpack


def main() -> None:
    splits = unpack(Path("data/raw/examples"))
    say("real patches: " + ", ".join(f"{len(names)} {split}" for split, names in splits.items()))


if __name__ == "__main__":
    run_stage(main)

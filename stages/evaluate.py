"""Measure the predictions on the test patches. Needs no GPU; seconds at 80 patches.

dvc repro evaluate
"""

from pathlib import Path

from srscene import params
from srscene.console import run_stage
from srscene.evaluate.options import EvaluateOptions
from srscene.evaluate.run import evaluate


def main() -> None:
    options = params.read("evaluate", EvaluateOptions)
    seed = params.read("seed", params.Seed)
    evaluate(Path("data/predictions.h5"), options, seed, Path("metrics"), Path("plots"))


if __name__ == "__main__":
    run_stage(main)

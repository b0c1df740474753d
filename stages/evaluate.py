"""Measure the predictions on the test patches. Needs no GPU; seconds at 80 patches.

dvc repro evaluate
"""

from pathlib import Path

from srscene.evaluate.options import EvaluateOptions
from srscene.evaluate.run import evaluate
from srscene.runtime import params
from srscene.runtime.console import run_stage


def main() -> None:
    evaluate(
        Path("data/predictions.h5"),
        Path("plots/training.csv"),
        Path("models/classifier/card.json"),
        params.read("evaluate", EvaluateOptions),
        params.read("seed", params.Seed),
        Path("metrics"),
        Path("plots"),
        Path("models/model_card.md"),
    )


if __name__ == "__main__":
    run_stage(main)

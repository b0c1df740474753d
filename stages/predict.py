"""Predict the labels' probabilities of the val and test splits.

dvc repro predict
"""

from pathlib import Path

from srscene.classify.predict import predict
from srscene.core.store import PatchStore
from srscene.runtime import params
from srscene.runtime.console import run_stage
from srscene.runtime.machine import Machine


def main() -> None:
    predict(
        PatchStore("data/upscaled"),
        Path("models/classifier"),
        params.read("machine", Machine),
        Path("data/predictions.h5"),
    )


if __name__ == "__main__":
    run_stage(main)

"""Predict the labels' probabilities of the val and test splits."""

from pathlib import Path

from srscene import params
from srscene.classify.options import ClassifierOptions
from srscene.classify.predicting import predict
from srscene.console import run_stage
from srscene.store import PatchStore


def main() -> None:
    predict(
        PatchStore("data/upscaled"),
        Path("models/classifier"),
        params.read("classifier", ClassifierOptions),
        out=Path("data/predictions.h5"),
    )


if __name__ == "__main__":
    run_stage(main)

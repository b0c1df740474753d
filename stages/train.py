"""Train the backbone on the train split; keep the epoch that is best on the validation split."""

from pathlib import Path

from srscene import params
from srscene.classify.options import ClassifierOptions
from srscene.classify.training import train
from srscene.console import run_stage
from srscene.store import PatchStore


def main() -> None:
    train(
        PatchStore("data/upscaled"),
        params.read("backbone", str),
        params.read("classifier", ClassifierOptions),
        params.read("seed", params.Seed),
        out=Path("models/classifier"),
        plots=Path("plots"),
    )


if __name__ == "__main__":
    run_stage(main)

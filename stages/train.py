"""Train the backbone on the train split; keep the epoch that is best on the validation split.

dvc repro train
"""

from pathlib import Path

from srscene.classify.options import ClassifierOptions
from srscene.classify.train import train
from srscene.core.store import PatchStore
from srscene.runtime import params
from srscene.runtime.console import run_stage
from srscene.runtime.key import stage_key
from srscene.runtime.machine import Machine


def main() -> None:
    train(
        PatchStore("data/upscaled"),
        params.read("backbone", str),
        params.read("classifier", ClassifierOptions),
        params.read("seed", params.Seed),
        params.read("machine", Machine),
        Path("models/classifier"),
        Path("plots/training.csv"),
        stage_key("train"),
    )


if __name__ == "__main__":
    run_stage(main)

"""python -m stages.ingest: data/patches, the selected raw data set as 120×120 RGB, with labels and splits."""

from pathlib import Path

from srscene import params
from srscene.console import run_stage
from srscene.ingest.ingest import ingest
from srscene.ingest.options import options_type


def main() -> None:
    dataset = params.read("dataset", str)
    options = params.read("datasets.${dataset}", options_type(dataset))
    ingest(Path("data/raw") / dataset, Path("data/patches"), options)


if __name__ == "__main__":
    run_stage(main)

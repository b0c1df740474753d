"""Turn the selected raw data set into 120×120 RGB patches with labels and splits.

dvc repro ingest
"""

from pathlib import Path

from srscene.ingest.ingest import ingest
from srscene.ingest.options import options_type
from srscene.runtime import params
from srscene.runtime.console import run_stage


def main() -> None:
    dataset = params.read("dataset", str)
    options = params.read("datasets.${dataset}", options_type(dataset))
    ingest(Path("data/raw") / dataset, Path("data/patches"), dataset, options)


if __name__ == "__main__":
    run_stage(main)

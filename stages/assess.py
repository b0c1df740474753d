"""Measure how faithful the upscaled patches are to the patches and, where it is known, to the truth.

dvc repro assess
"""

from pathlib import Path

from srscene.assess.report import assess_store
from srscene.core.store import PatchStore
from srscene.runtime.console import run_stage


def main() -> None:
    assess_store(
        PatchStore("data/patches"),
        PatchStore("data/upscaled"),
        Path("metrics/upscaling.json"),
        Path("plots/upscaling.png"),
    )


if __name__ == "__main__":
    run_stage(main)

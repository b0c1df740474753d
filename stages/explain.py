"""Show where the classifier looks in test patches, and measure how widely.

dvc repro explain
"""

from pathlib import Path

from srscene import params
from srscene.console import run_stage
from srscene.explain.options import ExplainOptions
from srscene.explain.run import explain
from srscene.store import PatchStore


def main() -> None:
    explain(
        PatchStore("data/upscaled"),
        Path("models/classifier"),
        params.read("explain", ExplainOptions),
        Path("metrics/explain.json"),
        Path("plots/gradcam.png"),
    )


if __name__ == "__main__":
    run_stage(main)

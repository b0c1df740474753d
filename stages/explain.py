"""Show where the classifier looks in test patches, and measure how widely.

dvc repro explain
"""

from pathlib import Path

from srscene.core.store import PatchStore
from srscene.explain.options import ExplainOptions
from srscene.explain.run import explain
from srscene.runtime import params
from srscene.runtime.console import run_stage
from srscene.runtime.machine import Machine


def main() -> None:
    explain(
        PatchStore("data/upscaled"),
        Path("models/classifier"),
        params.read("explain", ExplainOptions),
        params.read("machine", Machine),
        Path("metrics/explain.json"),
        Path("plots/gradcam.png"),
    )


if __name__ == "__main__":
    run_stage(main)

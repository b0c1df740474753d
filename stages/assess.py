"""python -m stages.assess: how faithful data/upscaled is to data/patches and, where known, to the truth."""

import json
from pathlib import Path

from srscene.assess.figure import draw
from srscene.assess.report import assess
from srscene.console import run_stage
from srscene.store import PatchStore


def main() -> None:
    patches, upscaled = PatchStore("data/patches"), PatchStore("data/upscaled")
    metrics = Path("metrics/upscaling.json")
    metrics.parent.mkdir(exist_ok=True)
    metrics.write_text(json.dumps(assess(patches, upscaled), indent=2, allow_nan=False) + "\n")
    draw(patches, upscaled, Path("plots/upscaling.png"))


if __name__ == "__main__":
    run_stage(main)

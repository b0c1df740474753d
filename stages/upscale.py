"""Upscale every patch with the upscaler that `sr` names, going on where a kill left off.

Start it as often as you like, by a launcher or by hand: all share the work.

dvc repro upscale
"""

from pathlib import Path

from srscene.core.store import PatchStore
from srscene.runtime import params
from srscene.runtime.console import run_stage
from srscene.runtime.key import stage_key
from srscene.runtime.machine import Machine
from srscene.sr.common.names import options_of
from srscene.sr.run import upscale_store


def main() -> None:
    name = params.read("sr", str)
    upscale_store(
        name,
        params.read("upscalers.${sr}.upscale", options_of(name)[1]),
        params.read("machine", Machine),
        PatchStore("data/patches"),
        Path("models/upscaler"),
        Path("data/upscaled"),
        stage_key("upscale"),
    )


if __name__ == "__main__":
    run_stage(main)

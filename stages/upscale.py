"""python -m stages.upscale: data/upscaled, data/patches through the upscaler that `sr` names."""

from pathlib import Path

from srscene.console import run_stage
from srscene.params import read
from srscene.sr.run import upscale_store
from srscene.sr.upscaler import find
from srscene.store import PatchStore


def main() -> None:
    name = read("sr", str)
    upscaler = find(name)
    options = read("upscalers.${sr}", upscaler.options)
    upscale_store(
        name, upscaler, options, PatchStore("data/patches"), Path("models/upscaler"), Path("data/upscaled")
    )


if __name__ == "__main__":
    run_stage(main)

"""python -m stages.weights: models/upscaler, the weights of the upscaler that `sr` names, and their card."""

import json
import os
import shutil
from pathlib import Path

from srscene.console import run_stage, say
from srscene.params import Seed, read
from srscene.sr.upscaler import find
from srscene.store import PatchStore

OUT = Path("models/upscaler")


def main() -> None:
    upscaler = find(read("sr", str))
    options = read("upscalers.${sr}", upscaler.options)
    temporary = OUT.with_name("upscaler.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)

    card = upscaler.prepare(options, PatchStore("data/patches"), read("seed", Seed), temporary)
    (temporary / "card.json").write_text(json.dumps(card, indent=2, sort_keys=True) + "\n")
    shutil.rmtree(OUT, ignore_errors=True)
    os.replace(temporary, OUT)
    say(f"weights: {card['source']}, {card['parameters']:,} parameters")


if __name__ == "__main__":
    run_stage(main)

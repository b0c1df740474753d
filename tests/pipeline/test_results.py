"""The committed results are those of the default run, and they show that it learned something."""

import json
from pathlib import Path

from srscene.runtime.params import parse

ROOT = Path(__file__).parents[2]


def metrics(name: str) -> dict[str, float]:
    values: dict[str, float] = json.loads((ROOT / f"metrics/{name}.json").read_text())
    return values


def test_the_lock_holds_the_parameters_of_params_yaml() -> None:
    lock = parse((ROOT / "dvc.lock").read_bytes())["stages"]
    params = parse((ROOT / "params.yaml").read_bytes())
    for stage in lock.values():
        for key, locked in stage.get("params", {}).get("params.yaml", {}).items():
            value = params
            for name in key.split("."):
                value = value[name]
            assert locked == value, key


def test_the_classifier_beats_the_constant_prediction() -> None:
    test, constant = metrics("test"), metrics("constant")
    assert test["f1"] > 1.2 * constant["f1"]
    assert test["macro_ap"] > 2 * constant["macro_ap"]


def test_super_resolution_beats_bicubic() -> None:
    upscaling = metrics("upscaling")
    assert upscaling["psnr"] > upscaling["psnr_bicubic"] + 0.5
    assert upscaling["ssim"] > upscaling["ssim_bicubic"]

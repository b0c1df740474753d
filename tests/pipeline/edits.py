"""One edit that changes the result for each thing that a stage, or a command on a scene, declares.

All are made in a copy of this checkout in which `tests.pipeline.test_scratch` has run a tiny pipeline, and a
second one into `other/`.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.options import merged

Edit = Callable[[Path], None]
"""Changes a file or folder of the copy that it is given."""


def code(file: str, old: str, new: str) -> Edit:
    return partial(_replace, file, old, new)


def _replace(file: str, old: str, new: str, copy: Path) -> None:
    text = (copy / file).read_text()
    assert text.count(old) == 1, f"{file} has {text.count(old)} × {old!r}: what is edited there now?"
    (copy / file).write_text(text.replace(old, new))


def params(**values: Any) -> Edit:
    """Change params.yaml; a mapping is merged into what is there."""
    return partial(_merge, values)


def _merge(values: dict[str, Any], copy: Path) -> None:
    file = copy / "params.yaml"
    file.write_text(yaml.safe_dump(merged(yaml.safe_load(file.read_text()), values)))


def versions(name: str) -> Edit:
    """Change what `check` noted of the packages, which no stage reads: it stands for what is installed."""
    return partial(_replace, name, '"torch": "', '"torch": "1')


def data(name: str, other: str = "") -> Edit:
    """Put in place of what has this name what `other/` has instead."""
    return partial(_put, name, f"other/{other or name}")


def _put(name: str, other: str, copy: Path) -> None:
    place = copy / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    (shutil.copytree if (copy / other).is_dir() else shutil.copy)(copy / other, place)


SRSCENE = "src/srscene"
SPLITS = code(f"{SRSCENE}/core/store.py", '] = ("train", "val", "test")', '] = ("val", "train", "test")')
DTYPES = code(f"{SRSCENE}/core/precision.py", '"fp32": torch.float32', '"fp32": torch.bfloat16')
RANGE = code(f"{SRSCENE}/sr/common/tensors.py", ".div(255)", ".div(250)")
NETWORK = code(
    f"{SRSCENE}/sr/srresnet/model/network.py",
    "    load_strictly(network, state, file)\n",
    "    load_strictly(network, state, file)\n    network.conv_last.bias.data += 0.1\n",
)
OPTIONS = code(f"{SRSCENE}/sr/srresnet/options.py", "precision: PrecisionChoice", "precise: PrecisionChoice")
"""Refuses what is there: the result is an error."""
NORMALISE = code(f"{SRSCENE}/classify/inference.py", "/ 255 - mean", "/ 250 - mean")
REFLECTANCE = code(f"{SRSCENE}/ingest/reflectance.py", "alpha=255 /", "alpha=250 /")
BANDS = code(f"{SRSCENE}/raw/layout.py", '("B04", "B03", "B02")', '("B02", "B03", "B04")')
NETWORKS = "data/versions/networks.json"
PRECISION = params(upscalers={"srresnet": {"upscale": {"precision": "bf16"}}})

STAGES: dict[str, dict[str, Edit]] = {
    "weights": {
        "data/fit_seed.json": data("data/fit_seed.json"),
        "data/patches": data("data/patches"),
        NETWORKS: versions(NETWORKS),
        "stages/weights.py": code("stages/weights.py", "json.loads(", "1 + json.loads("),
        "src/srscene/core": SPLITS,
        "src/srscene/sr/${sr}": code(f"{SRSCENE}/sr/srresnet/model/network.py", "mul_(10)", "mul_(5)"),
        "src/srscene/sr/common": RANGE,
        "src/srscene/sr/weights": code(f"{SRSCENE}/sr/weights/fit.py", "betas=(0.9,", "betas=(0.5,"),
        "sr": params(sr="bicubic"),
        "upscalers.${sr}.weights": params(
            upscalers={"srresnet": {"weights": {"fit": {"learning_rate": 0.01}}}}
        ),
    },
    "upscale": {
        "data/patches": data("data/patches"),
        NETWORKS: versions(NETWORKS),
        "models/upscaler": data("models/upscaler"),
        "stages/upscale.py": code(
            "stages/upscale.py",
            "options_of(name)[1])",
            "options_of(name)[1]).model_copy(update={'precision': 'bf16'})",
        ),
        "src/srscene/core": code(f"{SRSCENE}/core/codec.py", "1 << 15", "1 << 10"),
        "src/srscene/sr/${sr}/model": NETWORK,
        "src/srscene/sr/${sr}/options.py": OPTIONS,
        "src/srscene/sr/common": RANGE,
        "src/srscene/sr/run.py": code(
            f"{SRSCENE}/sr/run.py", "patches.labels[index], picture)", "patches.labels[index], 255 - picture)"
        ),
        "sr": params(sr="bicubic"),
        "upscalers.${sr}.upscale": PRECISION,
    },
    "train": {
        "data/upscaled": data("data/upscaled"),
        NETWORKS: versions(NETWORKS),
        "stages/train.py": code("stages/train.py", "params.Seed)", "params.Seed) + 1"),
        "src/srscene/classify": NORMALISE,
        "src/srscene/core": SPLITS,
        "backbone": params(backbone="test_efficientnet"),
        "seed": params(seed=1),
        "classifier": params(classifier={"weight_decay": 0.5}),
    },
    "predict": {
        "data/upscaled": data("data/upscaled"),
        NETWORKS: versions(NETWORKS),
        "models/classifier": data("models/classifier"),
        "stages/predict.py": code("stages/predict.py", '"models/classifier"', '"other/models/classifier"'),
        "src/srscene/classify": NORMALISE,
        "src/srscene/core": SPLITS,
    },
}
"""By stage, each of its deps and params in `dvc.yaml`."""

SCENE: dict[str, Edit] = {
    "scene.tif": data("scene.tif"),
    "models/upscaler": data("models/upscaler"),
    "core": DTYPES,
    "ingest/reflectance.py": REFLECTANCE,
    "raw/layout.py": BANDS,
    "sr/common": RANGE,
    "sr/${sr}/model": NETWORK,
    "sr/${sr}/options.py": OPTIONS,
}
COMMANDS: dict[str, dict[str, Edit]] = {
    "upscale": SCENE
    | {
        "scene": code(f"{SRSCENE}/scene/upscale.py", "list(pictures[", "list(255 - pictures["),
        "params.yaml: precision": PRECISION,
        "params.yaml: reflectance_max": params(datasets={"synthetic": {"reflectance_max": 1000}}),
    },
    "predict": SCENE
    | {
        "models/classifier": data("models/classifier"),
        "scene": code(f"{SRSCENE}/scene/predict.py", "valid = np.array([", "valid = 0.5 * np.array(["),
        "classify": NORMALISE,
    },
    "predict --figure": {
        "figures.py": code(f"{SRSCENE}/figures.py", "DPI = 120", "DPI = 100"),
    },
}
"""By command on a scene, each place of `key.COMMANDS`, and what else it reads."""

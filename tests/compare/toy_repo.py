"""A git and DVC repository whose stages bear the real names and take a moment; `upscale` is the real one."""

import shutil
from pathlib import Path

import yaml

from tests.pipeline.repository import ROOT, Repo

STAGES = {
    "ingest": (["seed.txt"], ["dataset", "datasets.${dataset}"], ["data/patches"]),
    "weights": (["data/patches"], ["sr", "upscalers.${sr}.weights"], ["models/upscaler"]),
    "upscale": (["data/patches", "models/upscaler"], ["sr", "upscalers.${sr}.upscale"], ["data/upscaled"]),
    "train": (["data/upscaled"], ["backbone", "seed", "classifier"], ["models/classifier"]),
    "predict": (["data/upscaled", "models/classifier"], [], ["data/predictions.h5"]),
    "evaluate": (["data/predictions.h5"], ["seed", "evaluate"], []),
}
TOY = """
import json, os, sys, time
from pathlib import Path
import numpy as np, yaml
params = yaml.safe_load(open("params.yaml"))
stage = sys.argv[1]
if stage == "ingest":
    from tests.sr.sr_data import images, store
    store(Path("data/patches"), images(60, 12, 12), attributes={"dataset": "synthetic"})
elif stage == "weights":
    Path("models/upscaler").mkdir(parents=True)
    Path("models/upscaler/card.json").write_text("{}")
elif stage == "train":
    if params["backbone"] == "resnet101":
        sys.exit("error: resnet101: this machine is too small, expected a larger one; take another backbone")
    Path("models/classifier").mkdir(parents=True)
    chosen = [params[key] for key in ("sr", "backbone", "seed")]
    Path("models/classifier/card.json").write_text(json.dumps(chosen))
elif stage == "predict":
    from srscene import predictions
    from srscene.core.store import PatchStore
    sr, backbone, seed = json.loads(Path("models/classifier/card.json").read_text())
    gain = {"none": 0.0, "bicubic": 0.5, "truth": 1.5}.get(sr, 1.0)
    random = np.random.default_rng([seed, len(sr)])
    labels = (np.random.default_rng(0).random((60, 19)) < 0.3).astype(np.uint8)
    logits = labels * (1 + gain) - 1 + random.normal(0, 1, labels.shape)
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    names = PatchStore("data/upscaled").names
    predictions.write(
        Path("data/predictions.h5"),
        {"val": predictions.Predictions(probabilities[:0], labels[:0], []),
         "test": predictions.Predictions(probabilities, labels, names)},
        {},
    )
elif stage == "evaluate":
    from srscene import predictions
    from srscene.evaluate.metrics import by_class, measure
    test = predictions.read(Path("data/predictions.h5"))[0]["test"]
    case = test.labels, test.probabilities >= 0.5, test.probabilities
    Path("metrics").mkdir(exist_ok=True)
    values = {**measure(*case), "n": 60, "products": 60, "threshold": 0.5}
    Path("metrics/test.json").write_text(json.dumps(values))
    classes = {name: found["f2"] for name, found in by_class(*case).items()}
    Path("metrics/classes.json").write_text(json.dumps(classes))
"""


def make_toy(folder: Path) -> Repo:
    """Return a committed repository without results."""
    for name in ("params.yaml", "stages", ".dvcignore"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        folder.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, folder / name)
    (folder / "toy.py").write_text(TOY)
    (folder / "seed.txt").write_text("0")
    (folder / ".gitignore").write_text("/data\n/models\n/.scratch\n__pycache__\n")
    stages = {}
    for name, (deps, params, outs) in STAGES.items():
        stages[name] = {
            "cmd": "python -m stages.upscale" if name == "upscale" else f"python toy.py {name}",
            "deps": deps,
            "params": params,
            "outs": outs,
        }
    stages["evaluate"]["metrics"] = [
        {f"metrics/{name}.json": {"cache": False}} for name in ("test", "classes")
    ]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    repo = Repo(folder)
    repo.environment["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT}:{folder}"
    repo.environment["OMP_NUM_THREADS"] = "1"
    repo.run("git", "init", "-q", "-b", "main")
    repo.dvc("init", "-q")
    repo.commit("A toy")
    return repo

"""A git and DVC repository whose stages bear the real names and take a moment; `upscale` is the real one."""

import fcntl
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from srscene.runtime.params import parse
from tests.options import written
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
import numpy as np
from srscene.runtime.params import load
params = load()
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
    if params["backbone"] == "resnet26d":
        print("at work", flush=True)
        while not Path(os.environ["TOY_GO"]).exists():
            time.sleep(0.1)
    Path("models/classifier").mkdir(parents=True)
    chosen = [params[key] for key in ("sr", "backbone", "seed")]
    card = {"chosen": chosen, "training": {"threads": int(os.environ["OMP_NUM_THREADS"])}}
    Path("models/classifier/card.json").write_text(json.dumps(card))
elif stage == "predict":
    from srscene.core import predictions
    from srscene.core.store import PatchStore
    sr, backbone, seed = json.loads(Path("models/classifier/card.json").read_text())["chosen"]
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
    from srscene.core import predictions
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
    (folder / ".gitignore").write_text("/data\n/models\n/.scratch\n/go\n__pycache__\n")
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
    (folder / "dvc.yaml").write_text(written({"stages": stages}))
    repo = Repo(folder)
    repo.environment["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT}:{folder}"
    repo.environment["OMP_NUM_THREADS"] = "1"
    repo.environment["TOY_GO"] = str(folder / "go")  # what a resnet26d waits for
    repo.run("git", "init", "-q", "-b", "main")
    repo.dvc("init", "-q")
    repo.commit("A toy")
    return repo


def names(repo: Repo) -> set[str]:
    """Return the experiments of all commits."""
    return set(repo.dvc("exp", "list", "-A", "--name-only").split())


def log_of(repo: Repo, name: str) -> Path:
    """Return where a sweep writes what a cell says."""
    return repo.folder / f".dvc/tmp/sweep/{name}.log"


def runs(log: Path) -> bool:
    """Whether a cell still writes its log."""
    with log.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait(until: Callable[[], object], seconds: float = 300, every: float = 0.2) -> None:
    """Wait until something is so; fails the test if it does not become so."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"waited for {seconds} s"
        time.sleep(every)


def forge(repo: Repo, base: str, made: Mapping[str, Mapping[str, str]]) -> None:
    """Make experiments by git alone, by their names: `base` with these files in place of its own."""
    stream = []
    for number, (name, files) in enumerate(made.items()):
        ref = f"refs/exps/{base[:2]}/{base[2:]}/{name}"
        stream.append(
            f"commit {ref}\ncommitter tests <tests> {2_000_000_000 + number} +0000\ndata 0\nfrom {base}\n"
        )
        for path, text in files.items():
            stream.append(f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n")
    command = ["git", "fast-import", "--quiet"]
    subprocess.run(command, cwd=repo.folder, input="".join(stream), text=True, check=True)


def of_commit(repo: Repo, commit: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return params.yaml and dvc.lock of an experiment."""
    params, lock = (
        parse(repo.run("git", "show", f"{commit}:{name}").encode()) for name in ("params.yaml", "dvc.lock")
    )
    return params, lock


def changed(params: dict[str, Any], lock: dict[str, Any], **values: Any) -> dict[str, str]:
    """Return params.yaml and dvc.lock as if the stages had run with these values."""
    stages = {}
    for name, stage in lock["stages"].items():
        read = stage.get("params", {}).get("params.yaml", {})
        own = {key: value for key, value in values.items() if key in read}
        stages[name] = stage | {"params": {"params.yaml": read | own}} if own else stage
    files = {"params.yaml": params | values, "dvc.lock": lock | {"stages": stages}}
    return {name: written(content) for name, content in files.items()}


def outs_of(lock: dict[str, Any]) -> dict[str, str]:
    """Return the hash of each out in a dvc.lock."""
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", ())}

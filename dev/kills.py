"""Runs stages again and again, each time killed at another of their changes to the disk, then lets them end.

python -m dev.kills FOLDER STAGE...

Prints, as JSON by stage, for each kill the change that it came before, what was left, what the next run said,
and whether that left the bytes of a run that was never killed, and no other file outside scratch. Each run is
a fork of this process, which computes nothing itself, so that a kill is real and costs no imports.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from srscene.classify.artefact import save_card, save_weights
from srscene.classify.backbone import create
from srscene.classify.predict import predict
from srscene.classify.train import train
from srscene.core.predictions import write
from srscene.core.tables import write_csv
from srscene.evaluate.options import EvaluateOptions
from srscene.evaluate.run import evaluate
from srscene.evaluate.training_curve import Training
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.runtime.machine import Machine
from srscene.sr.run import upscale_store
from srscene.sr.weights.prepare import prepare_weights
from tests.classify.stores import quick, write_store
from tests.classify.test_artefact import CARD
from tests.evaluate.test_run import split
from tests.ingest.raw_patches import write_v1
from tests.options import section
from tests.sr.sr_data import images, store, upscale_options, weights_options

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod", "os.truncate"}
ONE_IN = {"fit": 4, "train": 6, "evaluate": 14, "ingest": 3}
"""Of these, which take long, one in so many of the changes before the last computation ends, and all that
give a file its name; not a figure's second one, for print, which is written as the first."""
COMPUTED = {
    "fit": "os.rename checkpoint.pt.tmp checkpoint.pt",
    "train": "os.rename checkpoint.pt.tmp checkpoint.pt",
    "ingest": "os.rename patches.tmp patches",
}
"""The change whose last occurrence ends the computation."""

Run = Callable[[Path], None]


def prepared(stage: str, folder: Path) -> Run:
    """Make a stage's inputs in `folder`; return what runs it, into the folder that it is given."""
    return {
        "ingest": _ingest, "upscale": _upscale, "fit": _fit, "train": _train, "predict": _predict,
        "evaluate": _evaluate,
    }[stage](folder)  # fmt: skip


def _ingest(folder: Path) -> Run:
    write_v1(folder / "raw")
    options = section("datasets.bigearthnet", IngestOptions)
    return lambda place: ingest(folder / "raw", place / "data/patches", "bigearthnet", options, 1, 2)


def _upscale(folder: Path) -> Run:
    patches = store(folder / "patches", images(5, 12, 12))
    (folder / "weights").mkdir()
    machine = section("machine", Machine, batch_size=1)
    options = upscale_options("bicubic")
    return lambda place: upscale_store(
        "bicubic", options, machine, patches, folder / "weights", place / "data/upscaled", "test", 2
    )


def _fit(folder: Path) -> Run:
    patches = store(folder / "patches", images(3, 40, 40))
    small = {"features": 4, "blocks": 1, "steps": 52, "batch_size": 1, "crop": 8, "precision": "fp32"}
    options = weights_options("srresnet", source="fit", fit=small)
    return lambda place: prepare_weights("srresnet", options, patches, 0, place / "models/upscaler", "test")


def _train(folder: Path) -> Run:
    patches = write_store(folder / "store", train=8, val=0, test=0)  # no val: the last epoch is kept
    options, machine = quick(epochs=2, batch_size=4), section("machine", Machine)
    return lambda place: train(
        patches,
        "test_resnet",
        options,
        1,
        machine,
        place / "models/classifier",
        place / "plots/training.csv",
        "test",
    )


def _predict(folder: Path) -> Run:
    patches = write_store(folder / "store", train=1, val=2, test=2)
    (folder / "classifier").mkdir()
    save_weights(create(CARD.backbone, CARD.image_size), folder / "classifier/model.safetensors")
    save_card(CARD, folder / "classifier")
    machine = section("machine", Machine)
    return lambda place: predict(patches, folder / "classifier", machine, place / "data/predictions.h5")


def _evaluate(folder: Path) -> Run:
    predictions, curve = folder / "predictions.h5", folder / "training.csv"
    write(predictions, {"val": split(3, 1), "test": split(4, 0)}, {})
    write_csv(curve, Training._fields, [[1, 0.5, 0.6, 0.7, 0.001]])
    options = section("evaluate", EvaluateOptions, resamples=100)
    save_card(CARD, folder)
    card = folder / "card.json"
    outs = "metrics", "plots", "models/model_card.md"
    return lambda place: evaluate(predictions, curve, card, options, 0, *(place / out for out in outs))


def kills(stage: str, folder: Path) -> list[dict[str, Any]]:
    """Return what became of each kill of a stage."""
    folder.mkdir()
    work = prepared(stage, folder)
    status, said = run(work, folder / "unbroken", kill_at=0)
    assert status == 0, said
    expected = outputs(folder / "unbroken")
    changes = [line.removeprefix("change ") for line in said.splitlines() if line.startswith("change ")]
    report: list[dict[str, Any]] = []
    for kill_at in positions(stage, changes):
        place = folder / str(kill_at)
        status, said = run(work, place, kill_at)
        assert status == signal.SIGKILL, said
        left = sorted(str(file.relative_to(place)) for file in place.rglob("*") if file.is_file())
        remove_outputs(place, expected)
        again, said_again = run(work, place, kill_at=0)
        same = again == 0 and outputs(place) == expected
        before = said.splitlines()[-1].removeprefix("change ")
        report.append({"before": before, "left": left, "said": said_again, "same": same})
        shutil.rmtree(place)
    return report


def positions(stage: str, changes: list[str]) -> list[int]:
    """Return the numbers, from 1, of the changes to kill before."""
    everyone = range(1, len(changes) + 1)
    one_in = ONE_IN.get(stage, 1)
    naming = [
        number
        for number in everyone
        if changes[number - 1].startswith(("os.rename", "os.link")) and ".pdf" not in changes[number - 1]
    ]
    ended = [number for number in everyone if changes[number - 1] == COMPUTED.get(stage)]
    last = max(ended, default=len(changes) + 1)
    return [number for number in everyone if number >= last or number in naming or number % one_in == 0]


def run(work: Run, place: Path, kill_at: int) -> tuple[int, str]:
    """Work in a fork, killed right before its change number `kill_at`; return wait status and output."""
    return ended(start(work, place, kill_at), place)


def start(work: Run, place: Path, kill_at: int = 0) -> int:
    """Begin to work in a fork; return its process number."""
    place.mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    try:
        os.dup2(os.open(place.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.environ["DVC_ROOT"] = str(place)
        sys.addaudithook(Killer(kill_at, place))
        work(place)
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        os._exit(1)


def ended(child: int, place: Path) -> tuple[int, str]:
    """Wait for the end of what works in `place`; return wait status and output."""
    _, status = os.waitpid(child, 0)
    log = place.with_suffix(".log")
    return status, log.read_text() if log.exists() else ""


def remove_outputs(place: Path, expected: dict[str, bytes]) -> None:
    """Remove the outputs, as DVC does before it runs a stage again; it knows no temporary file."""
    for out in {name.split("/")[0] for name in expected}:
        for path in (place / out).glob("*"):
            if path.suffix != ".tmp":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


class Killer:
    """An audit hook that notes the changes under `place`, and kills its own process before the given one."""

    def __init__(self, kill_at: int, place: Path) -> None:
        self.left, self.place, self.process = kill_at, place, os.getpid()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if os.getpid() != self.process or not self._changes(event, arguments):
            return
        self.left -= 1
        names = [Path(part).name for part in arguments if isinstance(part, str | Path)]
        os.write(1, f"change {event} {' '.join(names)}\n".encode())
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def _changes(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event not in CHANGES | {"os.mkdir", "open"} or not isinstance(arguments[0], str | Path):
            return False
        path = Path(arguments[0])
        if not path.is_relative_to(self.place):
            return event == "os.rmdir"  # of `rmtree`, which names what is in its folder alone
        if event == "os.mkdir":
            return not path.exists()
        return event != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))


def outputs(place: Path) -> dict[str, bytes]:
    """Return all files that a run left outside scratch."""
    files = [file for file in place.rglob("*") if file.is_file()]
    names = {str(file.relative_to(place)): file for file in files}
    return {name: file.read_bytes() for name, file in names.items() if not name.startswith(".scratch/")}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({stage: kills(stage, Path(sys.argv[1]) / stage) for stage in sys.argv[2:]}))

"""What a killed fit or training left in scratch, damaged before it goes on: the same bytes come out.

The fit is the real one, of a tiny network. A training would take seconds, so that its checkpoints are
written, looked through and read by the real functions, between epochs that only add a number to the weights.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from unittest.mock import patch as replaced

import torch
from numpy.random import default_rng
from torch import nn

from dev.robustness.judge import Attempt, quietly
from dev.robustness.mutations import damage, remove
from srscene.classify import checkpoint
from srscene.classify.checkpoint import Epoch, History
from srscene.core.store import Image, PatchStore
from srscene.sr.srresnet.model.network import new
from srscene.sr.weights import fit
from tests.sr.sr_data import images, store, weights_options

SMALL = {"features": 4, "blocks": 1, "steps": 4, "batch_size": 1, "crop": 8, "precision": "fp32"}
PRECISIONS = (0.1, 0.3, 0.2, 0.25)
"""By epoch: the second's weights are kept, beside the checkpoint of the third, and of the fourth."""


class Killed(PatchStore):
    """Ends a fit in its third step, behind the checkpoint of the second."""

    taken = 0

    def __getitem__(self, index: int) -> Image:
        self.taken += 1
        if self.taken > 2:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def fitted(folder: Path, seed: int) -> Iterator[Attempt]:
    """The checkpoint, and the digests."""
    store(folder / "patches", images(3, 40, 40))
    run = partial(_fit, PatchStore(folder / "patches"), folder)
    expected = quietly(run)
    shutil.rmtree(folder / ".scratch")
    try:
        quietly(partial(_fit, Killed(folder / "patches"), folder))
    except KeyboardInterrupt:
        (folder / ".scratch").rename(folder / "left")
    yield from _attempts(folder / "left", folder / ".scratch", run, expected, seed)


def epochs(folder: Path, seed: int) -> Iterator[Attempt]:
    """The checkpoint, the weights of the kept epoch, and the digests."""
    run = partial(_train, folder / "work", len(PRECISIONS))
    expected = quietly(run)
    quietly(partial(_train, folder / "left", len(PRECISIONS) - 1))
    yield from _attempts(folder / "left", folder / "work", run, expected, seed)


def _attempts(
    left: Path, work: Path, run: Callable[[], object], expected: object, seed: int
) -> Iterator[Attempt]:
    """Damage one of the files in `left`, of which `work` gets a copy, on which `run` goes on."""
    files = [file.relative_to(left) for file in sorted(left.rglob("*")) if file.is_file()]
    files = [file for file in files if file.suffix != ".lock"]
    assert "checkpoint.pt" in {file.name for file in files}, files
    for number in count():
        rng = default_rng([seed, number])
        file = files[int(rng.integers(len(files)))]
        remove(work)
        shutil.copytree(left, work)
        kind = damage(work / file, (left / file).read_bytes(), rng)
        if kind in ("a pipe", "a huge hole"):
            continue  # which nothing makes among one's own files
        yield Attempt(f"{kind}: {file.name}, seed {[seed, number]}", run, expected, (file.name,))


def _fit(patches: PatchStore, folder: Path) -> dict[str, bytes]:
    options = weights_options("srresnet", source="fit", fit=SMALL).fit
    network = partial(new, options.features, options.blocks)
    with (
        replaced.dict(os.environ, {"DVC_ROOT": str(folder)}),
        replaced.object(fit, "CHECKPOINT_EVERY", 2),
    ):
        state, _ = fit.fit(network, patches, options, 0, "test")
    return {name: value.numpy().tobytes() for name, value in state.items()}


def _train(folder: Path, count: int) -> tuple[list[Epoch], bytes]:
    """Go on from what is in `folder`, as `train` does; return the epochs and the kept weights."""
    folder.mkdir(exist_ok=True)
    model = nn.Linear(20, 20)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    checkpoint.verify(folder)
    found = checkpoint.load(folder)
    history = History()
    if found is not None:
        history, states = found
        model.load_state_dict(states["model"])
        checkpoint.restore_weights(folder, history, model)
    for number in range(len(history.epochs), count):
        with torch.no_grad():
            for value in model.parameters():
                value += number + 1
        history.add(Epoch(number + 1, 0.5, 0.5, PRECISIONS[number], 0.1))
        checkpoint.save(folder, history, model, {"model": model.state_dict()})
    assert history.best is not None
    return history.epochs, checkpoint.weights_file(folder, history.best).read_bytes()

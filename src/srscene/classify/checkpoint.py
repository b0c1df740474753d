"""An unfinished training, on disk after every epoch."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch import nn

from srscene.classify.artefact import save_weights
from srscene.core.tables import write_csv
from srscene.runtime.parts import kept, piece

FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Epoch:
    """One row of `plots/training.csv`; None where the epoch was not validated."""

    epoch: int
    train_loss: float
    val_loss: float | None
    val_macro_ap: float | None
    learning_rate: float


@dataclass
class History:
    """The epochs so far, and which one's weights are kept: the best validated one, else the latest."""

    epochs: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None

    def add(self, epoch: Epoch) -> bool:
        """Note an epoch; return whether its weights are now the ones to keep."""
        self.epochs.append(epoch)
        kept = self.best.val_macro_ap if self.best else None
        better = kept is None or (epoch.val_macro_ap is not None and epoch.val_macro_ap > kept)
        if better:
            self.best = epoch
        return better

    @property
    def stale(self) -> int:
        """Validated epochs since the one that is kept."""
        since = self.best.epoch if self.best else 0
        return sum(epoch.val_macro_ap is not None for epoch in self.epochs[since:])

    def write(self, file: Path) -> None:
        """Write the epochs as CSV, six digits, empty where there is no value."""
        rows = (asdict(epoch).values() for epoch in self.epochs)
        texts = [["" if value is None else f"{value:.6g}" for value in row] for row in rows]
        write_csv(file, [column.name for column in fields(Epoch)], texts)


def weights_file(folder: Path, epoch: Epoch) -> Path:
    return folder / f"epoch-{epoch.epoch:04d}.safetensors"


def save(folder: Path, history: History, model: nn.Module, states: dict[str, Any]) -> None:
    """Write the states to go on from after this epoch, and `model` if its weights are the ones to keep.

    The checkpoint is renamed into place last, and names the weights by epoch: a kill leaves the former pair.
    """
    best = history.best
    assert best is not None
    if best is history.epochs[-1]:
        with piece(weights_file(folder, best)) as temporary:
            save_weights(model, temporary)
    content = {
        "epochs": [asdict(epoch) for epoch in history.epochs],
        "best": best.epoch,
        **states,
    }
    with piece(folder / FILE) as temporary, temporary.open("wb") as file:  # a file: else no error number
        torch.save(content, file)
    for old in folder.glob("epoch-*.safetensors"):
        if old != weights_file(folder, best):
            old.unlink()


def verify(folder: Path) -> None:
    """Drop the pieces that are not as `save` wrote them, saying so."""
    for file in [folder / FILE, *folder.glob("epoch-*.safetensors")]:
        kept(file)


def load(folder: Path) -> tuple[History, dict[str, Any]] | None:
    """Return what `save` wrote last, or None where there is nothing to go on from; call `verify` first."""
    file = folder / FILE
    if not file.exists():
        return None
    content = torch.load(file, map_location="cpu", weights_only=True)  # load_state_dict moves it
    epochs = [Epoch(**row) for row in content.pop("epochs")]
    number = content.pop("best")
    best = next(epoch for epoch in epochs if epoch.epoch == number)
    if best is not epochs[-1] and not weights_file(folder, best).exists():
        return None  # other weights than the checkpoint's own, and lost
    return History(epochs, best), content


def load_for_all(folder: Path, main: bool) -> tuple[History, dict[str, Any]] | None:
    """Return in all processes what the main one finds: a disk that they share may show others a former state.

    Damaged pieces are dropped first.
    """
    if main:
        verify(folder)
    found = [load(folder) if main else None]
    broadcast_object_list(found)  # in place
    return found[0]


def restore_weights(folder: Path, history: History, model: nn.Module) -> None:
    """Write the kept epoch's weights where they were damaged; `model` has them, being of that epoch."""
    best = history.best
    if best is not None and not weights_file(folder, best).exists():
        with piece(weights_file(folder, best)) as temporary:
            save_weights(model, temporary)

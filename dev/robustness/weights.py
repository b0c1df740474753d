"""Checkpoints, read and loaded into their network.

Neither format has a checksum that its reader compares. What guards a weight's value is the SHA-256 of a
download, and DVC's hash of a stored file.
"""

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import torch
from numpy.random import default_rng
from safetensors.torch import save_file
from torch import nn

from dev.robustness.judge import Attempt
from dev.robustness.mutations import UNSEEN, damage
from srscene.sr.common.checkpoints import load_strictly, read


def zipped(folder: Path, seed: int) -> Iterator[Attempt]:
    """A .pth as PyTorch writes it today."""
    file = folder / "weights.pth"
    torch.save({"params": _network(seed).state_dict()}, file)
    yield from _attempts(file, seed)


def legacy(folder: Path, seed: int) -> Iterator[Attempt]:
    """A .pth as PyTorch wrote it before 1.6."""
    file = folder / "weights.pth"
    torch.save({"params": _network(seed).state_dict()}, file, _use_new_zipfile_serialization=False)
    yield from _attempts(file, seed)


def safetensors(folder: Path, seed: int) -> Iterator[Attempt]:
    file = folder / "weights.safetensors"
    save_file(_network(seed).state_dict(), file)
    yield from _attempts(file, seed)


def _attempts(file: Path, seed: int) -> Iterator[Attempt]:
    data, run = file.read_bytes(), partial(_load, file)
    expected = run()
    for number in count():
        kind = damage(file, data, default_rng([seed, number]))
        yield Attempt(f"{kind}, seed {[seed, number]}", run, expected, (file.name,), kind in UNSEEN)


def _network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 3))


def _load(file: Path) -> dict[str, bytes]:
    network = _network(99)
    load_strictly(network, read(file), file)
    return {name: value.numpy().tobytes() for name, value in network.state_dict().items()}

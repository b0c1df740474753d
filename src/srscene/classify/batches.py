"""Which patches make a batch, how they are read, and how the device augments them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from srscene.core.store import PatchStore

Indices = NDArray[np.intp]


class Batch(NamedTuple):
    """images (N, H, W, 3) uint8, labels (N, 19) float32 of 0 and 1."""

    images: Tensor
    labels: Tensor


class Views(NamedTuple):
    """What augmentation shows of each of N images: (N, side) rows and columns, and (N,) whether they swap."""

    rows: Indices
    columns: Indices
    swap: NDArray[np.bool_]

    def share(self, rank: int, world: int) -> "Views":
        """Return those of the images that `share` gives to a process."""
        return Views(*share(self, rank, world))


class Batches(Dataset[Batch]):
    """Reads a whole batch at once: `batches[indices]`."""

    def __init__(self, store: PatchStore) -> None:
        self.store = store

    def __getitem__(self, indices: Indices) -> Batch:
        images, labels = self.store.batch(indices), self.store.labels[indices]
        return Batch(torch.from_numpy(images), torch.from_numpy(labels.astype(np.float32)))


def loader(
    store: PatchStore, plan: Sequence[Indices], device: torch.device, workers: int
) -> "DataLoader[Batch]":
    """Return a loader of the batches of `plan`, in order; `workers` processes, or none, read ahead."""
    return DataLoader(
        Batches(store), batch_size=None, sampler=plan, pin_memory=device.type == "cuda", num_workers=workers,
        prefetch_factor=4 if workers else None,
    )  # fmt: skip


def plan_training(indices: Indices, batch_size: int, epochs: range, seed: int) -> list[Indices]:
    """Return the shuffled batches of these epochs, each epoch's order a function of seed and epoch alone.

    Batches of an epoch differ by one patch at most: no patch is dropped, and no last batch is left with so
    few that batch normalisation suffers.
    """
    steps = steps_per_epoch(len(indices), batch_size)
    shuffled = (np.random.default_rng([seed, epoch]).permutation(indices) for epoch in epochs)
    return [batch for order in shuffled for batch in np.array_split(order, steps)]


def steps_per_epoch(patches: int, batch_size: int) -> int:
    return -(-patches // batch_size)


def share(batches: Sequence[NDArray[Any]], rank: int, world: int) -> list[NDArray[Any]]:
    """Return the part of each batch that process `rank` of `world` computes."""
    return [np.array_split(batch, world)[rank] for batch in batches]


def plan_reading(indices: Indices, batch_size: int) -> list[Indices]:
    """Return batches in the order of `indices`."""
    return [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]


def draw_views(count: int, size: Sequence[int], side: int, random: np.random.Generator) -> Views:
    """Draw for each of `count` images of `size` (height, width) a window of `side`×`side` pixels, in one of
    its eight orientations.

    Seen from above, land has no upright orientation. Flips of rows and of columns and the swap of both give
    every flip and 90° turn.
    """
    rows, columns = (_lines(random, count, length, side) for length in size)
    return Views(rows, columns, random.random(count) < 0.5)


def augment(images: Tensor, views: Views) -> Tensor:
    """Return the views of the images: (N, H, W, C) -> (N, side, side, C), same dtype and device."""
    rows, columns, swap = (send(values, images.device) for values in views)
    which = torch.arange(len(images), device=images.device)
    windows = images[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return torch.where(swap[:, None, None, None], windows.transpose(1, 2), windows)


def send(values: NDArray[Any], device: torch.device) -> Tensor:
    """Return `values` on the device; a busy GPU is not waited for, as it is without pinned memory."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def _lines(random: np.random.Generator, count: int, length: int, side: int) -> NDArray[np.intp]:
    """Return (count, side): consecutive lines from a random start, half of them in reverse."""
    lines = random.integers(0, length - side + 1, count)[:, None] + np.arange(side)
    backwards = random.random(count) < 0.5
    return np.where(backwards[:, None], lines[:, ::-1], lines)

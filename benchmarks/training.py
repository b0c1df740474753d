"""Training ResNet-50 on 480×480 images, read and augmented as in an epoch: a plain loop, and ours.

The plain loop is timm + torchvision as their guides write it: fp32, one image at a time through flips,
ToTensor and Normalize in worker processes. Beside it the same with channels last and, where the device
multiplies bf16 natively, mixed precision, which is what a careful user adds. Ours is the very code of the
train stage, on whole images.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.common import Row, compare, rates
from benchmarks.reading import textures, write_png, write_store
from srscene.classify.artefact import ClassifierCard
from srscene.classify.backbone import create, to_device
from srscene.classify.batches import loader, plan_training
from srscene.classify.inference import start_accelerator
from srscene.classify.options import ClassifierOptions
from srscene.classify.train import Training
from srscene.core.device import pick_device, pick_precision
from srscene.core.labels import CLASSES
from srscene.core.machine import Machine
from srscene.core.store import PatchStore

BASELINE = "timm + torchvision, PNG files, fp32"
CAREFUL = "the same, channels last, bf16 where native"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def run(quick: bool) -> list[Row]:
    gpu = pick_device().type == "cuda"
    batch_size, steps = (64, 20) if gpu else (4, 2)
    side, rounds = (240, 1) if quick else (480, 3)
    images = textures(max(4 * batch_size, 16), side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_png(images, folder / "png")
        store = write_store(images, folder / "store")
        loops = {
            BASELINE: Loop(*_plain(paths, store.labels, batch_size, careful=False), steps),
            CAREFUL: Loop(*_plain(paths, store.labels, batch_size, careful=True), steps),
            "srscene": Loop(*_ours(store, batch_size), steps),
        }
        seconds = compare({**loops}, rounds)
        topic = f"training resnet50, {side}×{side}, batch {batch_size}"
        rows = rates(topic, "images", steps * batch_size, seconds, BASELINE)
        waits = [Row(f"{topic}: waiting for data", case, loop.waiting(), "%") for case, loop in loops.items()]
        return rows + waits


class Loop:
    """Some training steps at each call, and the share of all time that went into waiting for batches."""

    def __init__(self, batches: Iterable[Any], step: Callable[[Any], object], steps: int) -> None:
        self.batches: Iterator[Any] = iter(batches)
        self.step, self.steps = step, steps
        self.waited = self.total = 0.0

    def __call__(self) -> None:
        begin = time.perf_counter()
        for _ in range(self.steps):
            start = time.perf_counter()
            batch = next(self.batches)
            self.waited += time.perf_counter() - start
            self.step(batch)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
        self.total += time.perf_counter() - begin

    def waiting(self) -> float:
        return 100 * self.waited / self.total


class PngFolder(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, paths: list[Path], labels: NDArray[np.uint8]) -> None:
        self.paths, self.labels = paths, torch.from_numpy(labels).float()
        self.transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), self.labels[index]


def _plain(
    paths: list[Path], labels: NDArray[np.uint8], batch_size: int, careful: bool
) -> tuple[Iterable[Any], Callable[[Any], object]]:
    """Return batches without end and the step of the plain loop."""
    device = pick_device()
    gpu = device.type == "cuda"
    layout = torch.channels_last if careful else torch.contiguous_format
    mixed = careful and pick_precision("auto", device, on_gpu="bf16") == "bf16"
    model = timm.create_model("resnet50", num_classes=len(CLASSES)).train()
    model = to_device(model, device) if careful else model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    criterion = torch.nn.BCEWithLogitsLoss()
    reader = DataLoader(
        PngFolder(paths, labels), batch_size, shuffle=True, drop_last=True, num_workers=8 if gpu else 2,
        pin_memory=gpu, persistent_workers=True,
    )  # fmt: skip

    def step(batch: tuple[Tensor, Tensor]) -> None:
        images, truth = (tensor.to(device, non_blocking=True) for tensor in batch)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss = criterion(model(images.to(memory_format=layout)), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # logged, as such loops do

    return (batch for _ in cycle([None]) for batch in reader), step


def _ours(store: PatchStore, batch_size: int) -> tuple[Iterable[Any], Callable[[Any], object]]:
    """Return batches enough for any run and the step of the train stage."""
    device = pick_device()
    precision = pick_precision("auto", device, on_gpu="bf16")
    side = store.image_shape[0]
    options = ClassifierOptions(
        pretrained=False, epochs=1000, batch_size=batch_size, learning_rate=1e-4, weight_decay=0.01, warmup=0,
        crop=1, validate_every=1000, dropout=0, drop_path=0, patience=None, compile=False, precision="auto",
    )  # fmt: skip
    machine = Machine(batch_size="auto", workers="auto")
    card = ClassifierCard("resnet50", CLASSES, side, side, MEAN, STD, False, 1000, 0, None, precision, {})
    training = Training(
        store, create("resnet50", side), card, options, 0, machine, start_accelerator(precision)
    )
    training.model.train()
    plan = plan_training(np.arange(len(store)), batch_size, range(1000), 0)
    numbered = enumerate(loader(store, plan, device, machine.readers(device)))
    return numbered, lambda batch: training.step(*batch).item()

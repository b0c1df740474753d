"""Training ResNet-50 on 480×480 images, read and augmented as in an epoch: a plain loop, and ours.

The plain loop is timm + torchvision as their guides write it: fp32, one image at a time through flips,
ToTensor and Normalize in worker processes. Beside it the same with channels last and, where the device
multiplies bf16 natively, mixed precision, which is what a careful user adds. It is no run of timm's own train
script, whose readers know one label an image. Ours is the very code of the train stage, on whole images; on a
GPU also with torch.compile.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from benchmarks.common import Row, compare, rates, works
from benchmarks.reading import textures, write_png, write_store
from srscene.classify.artefact import ClassifierCard
from srscene.classify.backbone import create, to_device
from srscene.classify.batches import loader, plan_training
from srscene.classify.inference import start_accelerator
from srscene.classify.options import ClassifierOptions
from srscene.classify.train import Training
from srscene.core.classes import CLASSES
from srscene.core.precision import pick_precision
from srscene.core.store import PatchStore
from srscene.runtime.device import pick_device
from srscene.runtime.machine import Machine

BASELINE = "timm + torchvision, PNG files, fp32"
CAREFUL = "the same, channels last, bf16 where native"
COMPILED = "srscene, torch.compile"
QUEUE = 32
"""Batches that a loader may have read by the time that it is asked for the first: 4 for each of 8 workers."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def run(quick: bool) -> list[Row]:
    gpu = pick_device().type == "cuda"
    batch_size, steps, ahead = (64, 30, QUEUE) if gpu else (4, 2, 0)
    side, rounds = (240, 1) if quick else (480, 3)
    images = textures(max(4 * batch_size, 16), side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_png(images, folder / "png")
        store = write_store(images, folder / "store")
        loops = {
            BASELINE: Loop(*_plain(paths, store.labels, batch_size, careful=False), steps, ahead),
            CAREFUL: Loop(*_plain(paths, store.labels, batch_size, careful=True), steps, ahead),
            "srscene": Loop(*_ours(store, batch_size), steps, ahead),
        }
        if gpu:
            compiled = Loop(*_ours(store, batch_size, compile=True), steps, ahead)
            loops |= {COMPILED: compiled} if works(f"training: {COMPILED}", compiled) else {}
        compare({**loops}, rounds)
        topic = f"training resnet50, {side}×{side}, batch {batch_size}"
        seconds = {case: loop.seconds() for case, loop in loops.items()}
        rows = rates(topic, "images", steps * batch_size, seconds, BASELINE)
        waits = [Row(f"{topic}: waiting for data", case, loop.waiting(), "%") for case, loop in loops.items()]
        return rows + waits


class Call(NamedTuple):
    """Seconds that steps took, and how many of these they waited for batches."""

    seconds: float
    waited: float


class Loop:
    """Some training steps at each call, of which the first is not counted: workers start in it.

    `ahead` batches, which workers read while other loops had their turn, are thrown away before the steps.
    """

    def __init__(
        self, batches: Iterable[Any], step: Callable[[Any], object], steps: int, ahead: int = 0
    ) -> None:
        self.batches: Iterator[Any] = iter(batches)
        self.step, self.steps, self.ahead = step, steps, ahead
        self.calls: list[Call] = []

    def __call__(self) -> None:
        for _ in range(self.ahead):
            next(self.batches)
        self._do(self.ahead // 8)  # until reading and computing are in step again
        self.calls.append(self._do(self.steps))

    def _do(self, steps: int) -> Call:
        waited, begin = 0.0, time.perf_counter()
        for _ in range(steps):
            start = time.perf_counter()
            batch = next(self.batches)
            waited += time.perf_counter() - start
            self.step(batch)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
        return Call(time.perf_counter() - begin, waited)

    def seconds(self) -> float:
        """Return the median of the calls."""
        return statistics.median(call.seconds for call in self.calls[1:])

    def waiting(self) -> float:
        """Return the share of the time that went into waiting for batches, in per cent."""
        counted = self.calls[1:]
        return 100 * sum(call.waited for call in counted) / sum(call.seconds for call in counted)


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
    """Return batches enough for any run and the step of the plain loop."""
    device = pick_device()
    gpu = device.type == "cuda"
    layout = torch.channels_last if careful else torch.contiguous_format
    mixed = careful and pick_precision("auto", device, on_gpu="bf16") == "bf16"
    model = timm.create_model("resnet50", num_classes=len(CLASSES)).train()
    model = to_device(model, device) if careful else model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    criterion = torch.nn.BCEWithLogitsLoss()
    data = PngFolder(paths, labels)
    shuffled = RandomSampler(data, num_samples=1000 * len(data))  # in one go: no epoch ends after few batches
    reader = DataLoader(
        data, batch_size, sampler=shuffled, drop_last=True, num_workers=8 if gpu else 2, pin_memory=gpu
    )

    def step(batch: tuple[Tensor, Tensor]) -> None:
        images, truth = (tensor.to(device, non_blocking=True) for tensor in batch)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss = criterion(model(images.to(memory_format=layout)), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # logged, as such loops do

    return reader, step


def _ours(
    store: PatchStore, batch_size: int, compile: bool = False
) -> tuple[Iterable[Any], Callable[[Any], object]]:
    """Return batches enough for any run and the step of the train stage."""
    device = pick_device()
    precision = pick_precision("auto", device, on_gpu="bf16")
    side = store.image_shape[0]
    options = ClassifierOptions(
        pretrained=False, epochs=1000, batch_size=batch_size, learning_rate=1e-4, weight_decay=0.01, warmup=0,
        crop=1, validate_every=1000, dropout=0, drop_path=0, patience=None, compile=compile, precision="auto",
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

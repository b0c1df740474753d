"""Trains a backbone on the 19 labels, by `recipe`.

Works alike on a CPU, a GPU, and in as many processes as a launcher starts. After each epoch a checkpoint goes
to scratch, from which a killed run goes on; on a CPU to the very bytes of an unbroken run.
"""

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, reduce, set_seed
from timm.layers import DropPath, convert_sync_batchnorm
from torch import Tensor, nn

from srscene.classify import checkpoint
from srscene.classify.artefact import WEIGHTS, ClassifierCard, save_card
from srscene.classify.backbone import create, normalisation, smallest_window, to_device
from srscene.classify.batches import Batch, augment, draw_views, loader, plan_training, share, steps_per_epoch
from srscene.classify.checkpoint import Epoch, History
from srscene.classify.inference import logits, normalise, start_accelerator
from srscene.classify.options import ClassifierOptions
from srscene.classify.recipe import (
    learning_rate,
    loss,
    macro_average_precision,
    make_optimizer,
    start_at_prior,
)
from srscene.classify.statistics import statistics
from srscene.core.classes import CLASSES
from srscene.core.precision import Precision, pick_precision
from srscene.core.store import PatchStore, Split
from srscene.runtime.console import BadInput, progress, say
from srscene.runtime.device import compiling, describe, pick_device
from srscene.runtime.files import need, whole_folder
from srscene.runtime.finite import FirstStep, first_of
from srscene.runtime.key import with_device
from srscene.runtime.machine import Crowded, Machine
from srscene.runtime.params import recorded
from srscene.runtime.parts import claimed

TRAINED_ON: tuple[Split, ...] = ("train", "val")
LOOK_EVERY = 50
"""Steps between two looks at whether a loss was not finite: each waits for the device."""


def train(
    store: PatchStore,
    backbone: str,
    options: ClassifierOptions,
    seed: int,
    machine: Machine,
    out: Path,
    curves: Path,
    key: str,
) -> None:
    """Train timm's `backbone` on the train split; leave it in the folder `out`, its epochs in `curves`.

    `out` gets model.safetensors and card.json, `curves` is a CSV file. `key` stands for all that decides the
    result but device and precision; another model of GPU, or number of processes, may go on. Keeps the epoch
    with the best macro average precision on the validation split, or the last one without validation patches.
    Raises BadInput when there is nothing to train on, or the backbone cannot take the images.
    """
    precision = pick_precision(options.precision, pick_device(), on_gpu="bf16")
    accelerator = start_accelerator(precision)
    _check(store, options.batch_size, accelerator.num_processes)
    set_seed(seed)
    model, card = _start(store, backbone, options, seed, precision)
    if accelerator.is_main_process:
        _announce(store, model, card, options, accelerator)
    key = with_device(key, accelerator.device.type, precision)
    # the first process alone reads and writes scratch
    with claimed("train", key) if accelerator.is_main_process else nullcontext(Path()) as work:
        with compiling():
            history = Training(store, model, card, options, seed, machine, accelerator).run(work)
        if accelerator.is_main_process:
            history.write(curves)
            _publish(card, history, store, work, out)
        accelerator.wait_for_everyone()


def _check(store: PatchStore, batch_size: int, processes: int) -> None:
    patches = len(store.indices("train"))
    if store.image_shape[0] != store.image_shape[1]:
        raise BadInput(
            f"{store.folder}: images of {store.image_shape[:2]} pixels, expected squares; upscale again"
        )
    if not patches:
        raise BadInput(f"{store.folder}: its train split is empty; choose a dataset with training patches")
    if patches < processes:
        raise BadInput(f"{store.folder}: {patches} training patches for {processes} processes; start fewer")
    smallest = patches // steps_per_epoch(patches, batch_size)
    if smallest < processes:
        raise BadInput(
            f"params.yaml: classifier.batch_size: {batch_size} makes batches of {smallest} patches, expected "
            f"one at least for each of {processes} processes; raise it, or start fewer"
        )


def _start(
    store: PatchStore, backbone: str, options: ClassifierOptions, seed: int, precision: Precision
) -> tuple[nn.Module, ClassifierCard]:
    """Return the untrained model and a card that lacks the results."""
    image_size = store.image_shape[0]
    model = create(backbone, image_size, options.pretrained, options.dropout, options.drop_path)
    window = smallest_window(model, round(options.crop * image_size), image_size)
    start_at_prior(model, store.labels[store.indices("train")])
    mean, std = normalisation(model)
    training = {split: len(store.indices(split)) for split in TRAINED_ON} | {"seed": seed}
    if pick_device().type == "cpu":  # whose sums are rounded otherwise with another number
        training["threads"] = torch.get_num_threads()
    card = ClassifierCard(
        backbone, CLASSES, image_size, window, mean, std, options.pretrained, options.epochs, 0, None,
        precision, store.attributes, training=training | recorded(options),
    )  # fmt: skip
    return model, card


def _announce(
    store: PatchStore,
    model: nn.Module,
    card: ClassifierCard,
    options: ClassifierOptions,
    accelerator: Accelerator,
) -> None:
    wanted = round(options.crop * card.image_size)
    if card.window > wanted:
        say(
            f"{card.backbone} is trained on windows of {card.window} px, the smallest that it takes, "
            f"not {wanted}"
        )
    if options.drop_path and not any(isinstance(module, DropPath) for module in model.modules()):
        say(f"{card.backbone} has no residual branches to leave out: classifier.drop_path does nothing")
    where = describe(accelerator.device, accelerator.num_processes)
    say(
        f"{card.backbone} on {len(store.indices('train'))} patches, windows of {card.window} px; "
        f"{where}, {card.precision}, batch {options.batch_size}"
    )
    if not len(store.indices("val")):
        say("no validation patches: nothing tells which epoch is best, so the last one is kept")


def _publish(card: ClassifierCard, history: History, store: PatchStore, work: Path, out: Path) -> None:
    """Put the kept epoch's weights and their card into `out`; `work` stays whole: a kill may come before DVC
    has recorded the stage.
    """
    best = history.best
    assert best is not None
    with whole_folder(out) as folder:
        shutil.copyfile(checkpoint.weights_file(work, best), folder / WEIGHTS)
        seen = statistics(store, store.indices("train"))
        card = replace(card, best_epoch=best.epoch, val_macro_ap=best.val_macro_ap, statistics=seen)
        save_card(card, folder)


class Training:
    """A model being trained: `run` does what is left of it."""

    def __init__(
        self,
        store: PatchStore,
        model: nn.Module,
        card: ClassifierCard,
        options: ClassifierOptions,
        seed: int,
        machine: Machine,
        accelerator: Accelerator,
    ) -> None:
        self.store, self.card, self.options, self.seed = store, card, options, seed
        self.machine, self.accelerator = machine, accelerator
        self.train, self.val = store.indices("train"), store.indices("val")
        self.steps = steps_per_epoch(len(self.train), options.batch_size)
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":  # PyTorch has none for CPUs
            model = convert_sync_batchnorm(model)
        self.model = to_device(model, accelerator.device)
        self.parallel, self.optimizer = accelerator.prepare(self.model, make_optimizer(self.model, options))
        if options.compile:
            self.parallel.compile()
        self.history = History()
        self.crowded = Crowded()
        self.diverged = FirstStep(accelerator.device)
        """Of the loss, or the weights after it."""

    def run(self, work: Path) -> History:
        """Train from the last checkpoint in `work`, if there is one, to the last epoch."""
        self._resume(work)
        if self.accelerator.is_main_process and len(self.history.epochs) < self.options.epochs:
            size = sum(value.nbytes for value in self.model.state_dict().values())
            need(work, 2 * 4 * size, "training")  # weights, AdamW's two moments, the kept epoch: old and new
        done = len(self.history.epochs)
        epochs, steps, device = self.options.epochs, self.steps, self.accelerator.device
        plan = plan_training(self.train, self.options.batch_size, range(done, epochs), self.seed)
        ours = share(plan, self.accelerator.process_index, self.accelerator.num_processes)
        read = loader(self.store, ours, device, self.machine.readers(device))
        batches = zip(read, map(len, plan), strict=True)
        bar: Any = progress((), "train", "step", total=epochs * steps, done=done * steps)
        bar.disable = not self.accelerator.is_main_process
        for number in range(done, epochs):
            if self.options.patience and self.history.stale >= self.options.patience:
                break
            train_loss = self._epoch(number, islice(batches, steps), bar)
            self._finish(number, train_loss, work)
        bar.close()
        if self.accelerator.is_main_process and len(self.history.epochs) < epochs:
            say(
                f"ended after epoch {len(self.history.epochs)} of {epochs}: {self.history.stale} validations "
                "without a better macro average precision"
            )
        return self.history

    def _epoch(self, number: int, batches: Iterator[tuple[Batch, int]], bar: Any) -> float:
        """Do one epoch's steps; return the mean loss of a patch."""
        rank = self.accelerator.process_index
        set_seed(self.seed + number + self.options.epochs * rank)  # of dropout, alike in no two shares
        self.model.train()
        total = torch.zeros((), device=self.accelerator.device)
        for step, (batch, whole) in enumerate(batches, number * self.steps):
            total += self.step(step, batch, whole)
            if step % LOOK_EVERY == 0:
                self._look()
            if rank == 0:
                self.crowded.look()
            bar.update()
        self.diverged.note(step, self.model.state_dict().values())
        self._look()
        return float(reduce(total, "sum")) / len(self.train)

    def step(self, step: int, batch: Batch, whole: int | None = None) -> Tensor:
        """Do one step on this process's share of a batch; return the sum of its patches' losses.

        `whole` is the number of patches in all shares; None where this is all of the batch.
        """
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        whole = whole or len(batch.labels)
        random = np.random.default_rng([self.seed, step])  # alike in all processes
        views = draw_views(whole, batch.images.shape[1:3], self.card.window, random).share(rank, world)
        device = self.accelerator.device
        images = augment(batch.images.to(device, non_blocking=True), views)
        labels = batch.labels.to(device, non_blocking=True)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.options, self.steps)
        mean = loss(self.parallel(normalise(images, self.card)), labels)
        self.diverged.note(step, [mean])
        self.accelerator.backward(mean * (world * len(labels) / whole))  # DDP averages over processes
        self.optimizer.step()
        self.optimizer.zero_grad()
        return mean.detach() * len(labels)

    def _look(self) -> None:
        """Raise BadInput in all processes where a loss or the weights were not finite in one."""
        first = first_of(self.accelerator.gather(self.diverged.number))
        if first is not None:
            raise BadInput(
                f"{self.card.backbone}: not finite from step {first + 1:,} on (epoch "
                f"{first // self.steps + 1}, {self.card.precision}); lower classifier.learning_rate, or set "
                "classifier.precision: fp32; the epochs before are kept"
            )

    def _finish(self, number: int, train_loss: float, work: Path) -> None:
        """Validate where it is due, note the epoch, save."""
        due = (number + 1) % self.options.validate_every == 0 or number + 1 == self.options.epochs
        val_loss, val_macro_ap = self._validate() if due and len(self.val) else (None, None)
        rate = learning_rate((number + 1) * self.steps - 1, self.options, self.steps)
        self.history.add(Epoch(number + 1, train_loss, val_loss, val_macro_ap, rate))
        if self.accelerator.is_main_process:
            checkpoint.save(work, self.history, self.model, self._states())
        self.accelerator.wait_for_everyone()

    def _validate(self) -> tuple[float, float | None]:
        """Return the mean loss and the macro average precision on the validation split."""
        self.model.eval()
        broadcast([*self.model.buffers()])  # the first process's are saved; the others' may differ
        found = logits(self.model, self.card, self.store, self.val, self.machine)
        labels = self.store.labels[self.val]
        mean = loss(torch.from_numpy(found), torch.from_numpy(labels).float())
        return float(mean), macro_average_precision(labels, found)

    def _states(self) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
        }

    def _resume(self, work: Path) -> None:
        found = checkpoint.load_for_all(work, self.accelerator.is_main_process)
        if found is None:
            return
        self.history, states = found
        self.model.load_state_dict(states["model"])
        self.optimizer.load_state_dict(states["optimizer"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(states["scaler"])
        if self.accelerator.is_main_process:
            checkpoint.restore_weights(work, self.history, self.model)
            say(f"going on after epoch {len(self.history.epochs)} of {self.options.epochs}")

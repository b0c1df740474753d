"""Trains a backbone on the 19 labels: binary cross-entropy, AdamW, a warm-up and a cosine.

Works alike on a CPU, a GPU, and in as many processes as torchrun starts. After each epoch a checkpoint goes
to scratch, from which a killed run goes on; on a CPU to the very bytes of an unbroken run.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, reduce, set_seed
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import nn

from srscene.classify import backbone, checkpoint
from srscene.classify.backbone import Card
from srscene.classify.batches import Batch, loader, plan_training, share, steps_per_epoch, vary
from srscene.classify.checkpoint import Epoch, History
from srscene.classify.curves import draw
from srscene.classify.options import ClassifierOptions
from srscene.classify.predicting import accelerator, logits
from srscene.console import BadInput, progress, say
from srscene.device import describe, pick_device, pick_precision
from srscene.labels import CLASSES
from srscene.scratch import fingerprint, publish, scratch
from srscene.store import PatchStore


def train(
    store: PatchStore, name: str, options: ClassifierOptions, seed: int, out: Path, plots: Path
) -> None:
    """Train timm's backbone `name` on the train split; leave it in `out`, its curves in `plots`.

    `out` gets model.safetensors and card.json, `plots` training.csv and training.png. Keeps the epoch with
    the best macro average precision on the validation split, or the last one where there is no validation
    patch. Raises BadInput when there is nothing to train on, or the backbone cannot take the images.
    """
    indices = {"train": store.indices("train"), "val": store.indices("val")}
    precision = pick_precision(options.precision, pick_device(), on_gpu="bf16")
    runtime = accelerator(precision)
    _check(store, len(indices["train"]), runtime.num_processes)
    set_seed(seed)
    model, card = _start(store, name, options, precision)
    if runtime.is_main_process:
        _announce(card, options, runtime, {split: len(found) for split, found in indices.items()})
    work = _work_folder(store, name, options, seed, runtime)
    history = Training(store, model, card, options, seed, runtime, work).run()
    if runtime.is_main_process:
        history.write(plots / "training.csv")
        draw(history, f"{name}, sr: {store.attributes.get('sr')}", plots / "training.png")
        _publish(card, history, work, out)
    runtime.wait_for_everyone()


def _check(store: PatchStore, patches: int, processes: int) -> None:
    if store.image_shape[0] != store.image_shape[1]:
        raise BadInput(
            f"{store.folder}: images of {store.image_shape[:2]} pixels, expected squares; upscale again"
        )
    if not patches:
        raise BadInput(f"{store.folder}: its train split is empty; choose a dataset with training patches")
    if patches < processes:
        raise BadInput(f"{store.folder}: {patches} training patches for {processes} processes; start fewer")


def _start(
    store: PatchStore, name: str, options: ClassifierOptions, precision: str
) -> tuple[nn.Module, Card]:
    """Return the untrained model and a card that lacks the results."""
    image_size = store.image_shape[0]
    model = backbone.create(name, image_size, options.pretrained)
    wanted = round(options.crop * image_size)
    window = backbone.smallest_window(model, wanted, image_size)
    if window > wanted:
        say(f"{name} is trained on windows of {window} px, the smallest that it takes, not {wanted}")
    start_at_prior(model, store.labels[store.indices("train")])
    mean, std = backbone.normalisation(model)
    card = Card(
        name, CLASSES, image_size, window, mean, std, options.pretrained, options.epochs, 0, None, precision,
        store.attributes,
    )  # fmt: skip
    return model, card


def _announce(card: Card, options: ClassifierOptions, runtime: Accelerator, patches: dict[str, int]) -> None:
    processes = f" × {runtime.num_processes} processes" if runtime.num_processes > 1 else ""
    say(
        f"{card.backbone} on {patches['train']} patches, windows of {card.window} px; "
        f"{describe(runtime.device)}{processes}, {card.precision}, batch {options.batch_size}"
    )
    if not patches["val"]:
        say("no validation patches: nothing tells which epoch is best, so the last one is kept")


def _work_folder(
    store: PatchStore, name: str, options: ClassifierOptions, seed: int, runtime: Accelerator
) -> Path:
    """Return the scratch folder of exactly this training: same data, settings and code."""
    settings = {
        "backbone": name,
        "options": options.model_dump(),
        "seed": seed,
        "torch": torch.__version__,
    }
    keys: list[str | None] = [None]
    if runtime.is_main_process:
        keys = [fingerprint(settings, [store.folder, *sorted(Path(__file__).parent.glob("*.py"))])]
    return scratch("train", str(broadcast_object_list(keys)[0]))


def _publish(card: Card, history: History, work: Path, out: Path) -> None:
    best = history.best
    assert best is not None
    finished = work / "finished"
    finished.mkdir(exist_ok=True)
    checkpoint.weights_file(work, best).replace(finished / "model.safetensors")
    backbone.save_card(replace(card, best_epoch=best.epoch, val_macro_ap=best.val_macro_ap), finished)
    publish(finished, out)
    (work / "checkpoint.pt").unlink()


class Training:
    """A model being trained: `run` does what is left of it."""

    def __init__(
        self,
        store: PatchStore,
        model: nn.Module,
        card: Card,
        options: ClassifierOptions,
        seed: int,
        runtime: Accelerator,
        work: Path,
    ) -> None:
        self.store, self.card, self.options, self.seed = store, card, options, seed
        self.runtime, self.work = runtime, work
        self.train, self.val = store.indices("train"), store.indices("val")
        self.steps = steps_per_epoch(len(self.train), options.batch_size)
        self.model = backbone.to_device(model, runtime.device)
        optimizer = torch.optim.AdamW(  # fused takes a third of the plain loop's time on a CPU
            model.parameters(), options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        self.parallel, self.optimizer = runtime.prepare(self.model, optimizer)
        self.history = History()

    def run(self) -> History:
        """Train from the last checkpoint, if there is one, to the last epoch."""
        self._resume()
        done = len(self.history.epochs)
        epochs, steps = self.options.epochs, self.steps
        plan = plan_training(self.train, self.options.batch_size, range(done, epochs), self.seed)
        plan = share(plan, self.runtime.process_index, self.runtime.num_processes)
        batches = iter(loader(self.store, plan, self.runtime.device))
        bar: Any = progress((), "train", "step", total=epochs * steps, done=done * steps)
        bar.disable = not self.runtime.is_main_process
        for number in range(done, epochs):
            train_loss = self._epoch(number, islice(batches, steps), bar)
            self._finish(number, train_loss)
        bar.close()
        return self.history

    def _epoch(self, number: int, batches: Iterator[Batch], bar: Any) -> float:
        """Do one epoch's steps; return the mean loss of a patch."""
        set_seed(self.seed + number)  # of dropout and the like, in backbones that have it
        self.model.train()
        total = torch.zeros((), device=self.runtime.device)
        for step, batch in enumerate(batches, number * self.steps):
            total += self.step(step, batch)
            bar.update()
        return float(reduce(total, "sum")) / len(self.train)

    def step(self, step: int, batch: Batch) -> torch.Tensor:
        """Do one step on this process's share of a batch; return the sum of its patches' losses."""
        random = np.random.default_rng([self.seed, step, self.runtime.process_index])
        device = self.runtime.device
        images = vary(batch.images.to(device, non_blocking=True), self.card.window, random)
        labels = batch.labels.to(device, non_blocking=True)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.options, self.steps)
        loss = F.binary_cross_entropy_with_logits(
            self.parallel(backbone.normalise(images, self.card)).float(), labels
        )
        self.runtime.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach() * len(labels)

    def _finish(self, number: int, train_loss: float) -> None:
        """Validate where it is due, note the epoch, save."""
        due = (number + 1) % self.options.validate_every == 0 or number + 1 == self.options.epochs
        val_loss, val_macro_ap = self._validate() if due and len(self.val) else (None, None)
        rate = learning_rate((number + 1) * self.steps - 1, self.options, self.steps)
        self.history.add(Epoch(number + 1, train_loss, val_loss, val_macro_ap, rate))
        if self.runtime.is_main_process:
            checkpoint.save(self.work, self.history, self.model, self._states())
        self.runtime.wait_for_everyone()

    def _validate(self) -> tuple[float, float | None]:
        """Return the mean loss and the macro average precision on the validation split."""
        self.model.eval()
        found = logits(self.model, self.card, self.store, self.val, self.options.batch_size, self.runtime)
        labels = self.store.labels[self.val]
        loss = F.binary_cross_entropy_with_logits(torch.from_numpy(found), torch.from_numpy(labels).float())
        return float(loss), macro_average_precision(labels, found)

    def _states(self) -> dict[str, Any]:
        scaler = self.runtime.scaler
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
        }

    def _resume(self) -> None:
        found = checkpoint.load(self.work, self.runtime.device)
        if found is None:
            return
        self.history, states = found
        self.model.load_state_dict(states["model"])
        self.optimizer.load_state_dict(states["optimizer"])
        if self.runtime.scaler:
            self.runtime.scaler.load_state_dict(states["scaler"])
        if self.runtime.is_main_process:
            say(f"going on after epoch {len(self.history.epochs)} of {self.options.epochs}")


def start_at_prior(model: nn.Module, labels: NDArray[np.uint8]) -> None:
    """Set the last layer's bias so that each class starts at its share of the training labels (N, 19).

    Otherwise a short training spends its first steps on learning that most labels are absent
    (Lin et al. 2017, Focal loss, section 4.1). One label more of each kind keeps shares off 0 and 1.
    """
    bias = getattr(model.get_classifier(), "bias", None)  # type: ignore[operator]
    if bias is not None:
        shares = torch.from_numpy((labels.sum(axis=0) + 1.0) / (len(labels) + 2))
        with torch.no_grad():
            bias.copy_(torch.logit(shares))


def learning_rate(step: int, options: ClassifierOptions, steps_per_epoch: int) -> float:
    """Return the rate of a step, counted from 0: a linear climb to the peak, then half a cosine to 0."""
    total = options.epochs * steps_per_epoch
    climb = math.ceil(options.warmup * total)
    if step < climb:
        return options.learning_rate * (step + 1) / (climb + 1)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - climb) / (total - climb)))


def macro_average_precision(labels: NDArray[np.uint8], scores: NDArray[np.float32]) -> float | None:
    """Return the mean of the classes' average precision, classes without positives left out.

    labels and scores are (N, 19); None if no class has a positive.
    """
    present = labels.any(axis=0)
    if not present.any():
        return None
    return float(average_precision_score(labels[:, present], scores[:, present], average="macro"))

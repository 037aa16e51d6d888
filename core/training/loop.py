"""Training of a classifier."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn, optim
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

from core.data import ImageSet
from core.errors import InputError
from core.models import Classifier, evaluating, fingerprint
from core.training import augmentation
from core.training.artifact import save_classifier
from core.training.batches import Batch, epoch_batches, steps_per_epoch
from core.training.epochs import METRICS, train_epochs
from core.training.evaluation import evaluate
from core.training.history import EpochRecord, write_metrics
from core.training.optimisation import build_optimiser, build_schedule
from core.training.perturbation import Draws, Perturbation
from core.training.seeding import seeded
from core.training.selection import trained_parameters
from core.training.settings import TrainingSettings
from core.training.watchers import Plan, Watcher

MODEL, BEST = "model.safetensors", "best.safetensors"


@dataclass(frozen=True)
class TrainingResult:
    """A finished training run.

    Attributes:
        model: the weights after the last epoch.
        best: the weights of the epoch with the highest validation accuracy, the first of them. That
            accuracy is biased upwards by the choice; the one of `model` is not.
        accuracy: of `model`, fraction of the validation images.
        best_accuracy: of `best`.
        history: one record per epoch.
        trained: epochs that this call has trained; 0 if the run was finished before.
    """

    model: Path
    best: Path
    accuracy: float
    best_accuracy: float
    history: tuple[EpochRecord, ...]
    trained: int


def train(
    classifier: Classifier,
    train_set: ImageSet,
    validation_set: ImageSet,
    settings: TrainingSettings,
    out: str | Path,
    watchers: Sequence[Watcher] = (),
    perturb: Perturbation | None = None,
) -> TrainingResult:
    """Train a classifier in place, or go on with a run that was stopped, and return the result.

    A checkpoint is written after each epoch. The same call continues after the last one, and on one
    CPU with the same number of threads it ends with the same weights, bit for bit, as a run that
    was never stopped. The modes and flags of the classifier, its gradients and the global random
    generators are afterwards what they were before.

    Args:
        classifier: the classifier with its starting weights, on the device to train on.
        train_set: images and labels to learn from.
        validation_set: images and labels of the same classes to look at after each epoch.
        settings: hyperparameters.
        out: folder for `model.safetensors`, `best.safetensors`, `metrics.csv` and `training.pt`,
            the state to continue from.
        watchers: told of each step and epoch.
        perturb: changes what the classifier computes in the training steps, such as a layer's
            output; not when the validation images are looked at.

    Raises:
        InputError: the sets, the classifier and the settings do not fit together; `out` holds
            another run; the loss or a weight is not finite any more (the last checkpoint is kept);
            the disk is full.
    """
    out = Path(out)
    _check(classifier, train_set, validation_set)
    views = augmentation.resolve(settings.augmentation, train_set)
    identity = {
        "settings": {**settings.resolved(), "augmentation": views},
        "train_images": train_set.fingerprint,
        "validation_images": validation_set.fingerprint,
        "start": fingerprint(classifier),
    }
    if perturb is not None:
        identity["perturbation"] = perturb.identity()
    with trained_parameters(classifier, settings.layers) as parameters:
        run = _Run(classifier, parameters, train_set, validation_set, settings, views, out, perturb)
        trained = train_epochs(run, out, identity, watchers)
    history = tuple(run.history)
    # A kill may have fallen between the last state and what is made of it.
    if trained or not (out / MODEL).exists():
        write_metrics(out / METRICS, history)
        save_classifier(out / MODEL, classifier)
    return TrainingResult(
        model=out / MODEL,
        best=out / BEST,
        accuracy=history[-1].validation_accuracy,
        best_accuracy=run.best_accuracy,
        history=history,
        trained=trained,
    )


class _Run:
    """What changes while a classifier is trained, and what that depends on."""

    def __init__(
        self,
        classifier: Classifier,
        parameters: list[nn.Parameter],
        train_set: ImageSet,
        validation_set: ImageSet,
        settings: TrainingSettings,
        views: str,
        out: Path,
        perturb: Perturbation | None,
    ) -> None:
        self.perturb = perturb
        self.settings, self.train_set, self.views = settings, train_set, views
        self.validation_set, self.out = validation_set, out
        self.device = parameters[0].device
        self.plan = Plan(
            epochs=settings.epochs,
            steps=steps_per_epoch(len(train_set), settings.batch_size),
            batch=min(settings.batch_size, len(train_set)),
        )
        self.memory_format = _memory_format(settings)
        self.classifier = classifier.to(memory_format=self.memory_format)
        self.parameters = parameters
        self.optimiser: optim.Optimizer = build_optimiser(parameters, settings)
        self.schedule: OneCycleLR = build_schedule(
            self.optimiser, settings, settings.epochs * self.plan.steps
        )
        self.history: list[EpochRecord] = []

    @property
    def best_accuracy(self) -> float:
        """The highest validation accuracy so far; -1 before the first epoch."""
        return max((record.validation_accuracy for record in self.history), default=-1.0)

    def state(self) -> dict[str, Any]:
        """Return all that the next epoch depends on, as tensors and plain values."""
        return {
            "network": self.classifier.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": [record.plain() for record in self.history],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.classifier.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = [EpochRecord.of(record) for record in state["history"]]

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 0."""
        return epoch_batches(
            self.train_set,
            batch_size=self.settings.batch_size,
            views=self.views,
            seed=self.settings.seed,
            epoch=epoch,
            device=self.device,
            memory_format=self.memory_format,
        )

    def advance(self, batch: Batch, epoch: int) -> tuple[float, float]:
        """Make one step; return the loss before it and the learning rate it was made with."""
        images, labels, places = batch
        bf16 = self.settings.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            perturbed: AbstractContextManager[None] = nullcontext()
            if self.perturb is not None:
                draws = Draws(self.settings.seed, epoch, self.train_set, places)
                perturbed = self.perturb(self.classifier, images, labels, draws)
            with perturbed:
                logits = self.classifier(images)
        loss = functional.cross_entropy(
            logits.float(), labels, label_smoothing=self.settings.label_smoothing
        )
        value, rate = float(loss.item()), float(self.schedule.get_last_lr()[0])
        if not math.isfinite(value):
            return value, rate
        self.optimiser.zero_grad()
        loss.backward()
        if self.settings.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimiser.step()
        # After the last step of all there is no next rate to ask the schedule for.
        if self.schedule.last_epoch + 1 < self.schedule.total_steps:
            self.schedule.step()
        return value, rate

    def keep_best(self, record: EpochRecord) -> None:
        """Save the classifier of the highest validation accuracy, the first of them."""
        if record.validation_accuracy > self.best_accuracy:
            save_classifier(self.out / BEST, self.classifier)

    def epoch(self, epoch: int, watchers: Sequence[Watcher]) -> EpochRecord:
        """Train one epoch, counted from 0, and evaluate."""
        started = time.perf_counter()
        total = rate = 0.0
        if self.perturb is not None:
            self.perturb.numbers()  # those of an epoch that was stopped
        with seeded(self.settings.seed, f"epoch {epoch}", self.device):
            for step, batch in enumerate(self.batches(epoch), start=1):
                loss, rate = self.advance(batch, epoch)
                if not math.isfinite(loss):
                    where = f"step {step} of {self.plan.steps}"
                    raise _diverged(self, f"the loss is {loss}", epoch, where, rate)
                total += loss
                for watcher in watchers:
                    watcher.step(epoch + 1, step, loss)
        trained = time.perf_counter()
        with evaluating(self.classifier):
            measured = evaluate(self.classifier, self.validation_set)
        if not math.isfinite(measured.loss):
            what = f"the validation loss is {measured.loss}"
            raise _diverged(self, what, epoch, f"after its {self.plan.steps} steps", rate)
        return EpochRecord(
            epoch=epoch + 1,
            train_loss=total / self.plan.steps,
            validation_loss=measured.loss,
            validation_accuracy=measured.accuracy,
            learning_rate=rate,
            images_per_second=self.plan.steps * self.plan.batch / (trained - started),
            seconds=time.perf_counter() - started,
            numbers={} if self.perturb is None else self.perturb.numbers(),
        )


def _diverged(run: _Run, what: str, epoch: int, where: str, rate: float) -> InputError:
    kept = f"the checkpoint of epoch {epoch} is kept" if run.history else "there is no checkpoint"
    return InputError(
        f"--learning_rate: the training has diverged: {what} in epoch {epoch + 1}, {where}, at the"
        f" learning rate {rate:.3g}; {kept}; start anew with a lower one or with --clip 1."
    )


def _memory_format(settings: TrainingSettings) -> torch.memory_format:
    """Return the layout asked for; by default the one that is the faster one for the precision.

    For a ResNet-18 on 64 pixels and one core: bf16 180 images/s channels-last and 150 contiguous,
    float32 100 and 105.
    """
    last = settings.channels_last
    if last is None:
        last = settings.precision == "bf16"
    return torch.channels_last if last else torch.contiguous_format


def _check(classifier: Classifier, train_set: ImageSet, validation_set: ImageSet) -> None:
    if len(train_set) < 2 or len(validation_set) < 1:
        raise InputError(
            f"--data: found {len(train_set)} training and {len(validation_set)} validation images,"
            " expected at least 2 and 1."
        )
    if train_set.class_names != validation_set.class_names:
        raise InputError(
            f"--data: the {len(train_set.class_names)} classes of split {train_set.split} are not"
            f" the {len(validation_set.class_names)} of split {validation_set.split}."
        )
    if train_set.shape != validation_set.shape:
        raise InputError(
            f"--data: training images are {train_set.shape}, validation images"
            f" {validation_set.shape} (channels, height, width), expected the same; --size N"
            " resizes them."
        )
    outputs, classes = classifier.num_classes, len(train_set.class_names)
    if outputs is not None and outputs < classes:
        raise InputError(f"--model: it has {outputs} outputs, and --data has {classes} classes.")

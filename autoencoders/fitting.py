"""Training of an autoencoder, on the loop that classifiers are trained by."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import OneCycleLR

from autoencoders.artifact import Origin, save_autoencoder
from autoencoders.model import Autoencoder
from core.errors import InputError
from core.models import evaluating
from core.representations import ShardedArray
from core.representations.streamed import StreamedRows
from core.training.batches import order, steps_per_epoch
from core.training.epochs import METRICS, train_epochs
from core.training.history import write_metrics
from core.training.optimisation import build_optimiser, build_schedule
from core.training.seeding import seeded
from core.training.settings import TrainingSettings
from core.training.watchers import Plan, Watcher

Rows = ShardedArray | StreamedRows
MODEL, BEST = "model.safetensors", "best.safetensors"


@dataclass(frozen=True)
class FitRecord:
    """One epoch of an autoencoder's training.

    Attributes:
        epoch: its number, from 1.
        train_loss: mean loss of the steps.
        train_explained: mean explained variance over the steps, of each batch about the training
            mean, with what training draws.
        explained_variance: of the validation representations, about the training mean.
        learning_rate: the one of the epoch's last step.
        rows_per_second: training representations per second.
        seconds: duration, validation included.
        numbers: means over the steps of what the kind has to say: `kl`, `active`, `dead`; `used`,
            the share of codes that the epoch has used.
    """

    epoch: int
    train_loss: float
    train_explained: float
    explained_variance: float
    learning_rate: float
    rows_per_second: float
    seconds: float
    numbers: dict[str, float] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return {**{k: v for k, v in vars(self).items() if k != "numbers"}, **self.numbers}

    @staticmethod
    def of(values: dict[str, Any]) -> FitRecord:
        """Return the record of plain values."""
        own = set(FitRecord.__dataclass_fields__) - {"numbers"}
        return FitRecord(
            **{k: v for k, v in values.items() if k in own},
            numbers={k: v for k, v in values.items() if k not in own},
        )

    def said(self) -> str:
        """Return its numbers for a line on the screen."""
        more = "".join(f", {name} {value:.3g}" for name, value in self.numbers.items())
        return (
            f"loss {self.train_loss:.4g}, explained variance {self.explained_variance:.4f} "
            f"(training {self.train_explained:.4f}){more}, {self.rows_per_second:.0f} rows/s"
        )

    def scalars(self) -> dict[str, float]:
        """Return its numbers by the names that TensorBoard groups them by."""
        return {
            "loss/train": self.train_loss,
            "explained_variance/train": self.train_explained,
            "explained_variance/validation": self.explained_variance,
            "learning_rate": self.learning_rate,
            "rows_per_second": self.rows_per_second,
            **{f"latent/{name}": value for name, value in self.numbers.items()},
        }


@dataclass(frozen=True)
class Fit:
    """A finished training.

    Attributes:
        model: the file of the weights after the last epoch.
        best: the file of the epoch that explained most of the validation representations.
        history: one record per epoch.
        trained: epochs that this call has trained.
    """

    model: Path
    best: Path
    history: tuple[FitRecord, ...]
    trained: int


def fit(
    autoencoder: Autoencoder,
    train_rows: Rows,
    validation_rows: Rows,
    settings: TrainingSettings,
    out: str | Path,
    origin: Origin,
    watchers: Sequence[Watcher] = (),
) -> Fit:
    """Train an autoencoder in place, or go on with a training that was stopped.

    A checkpoint is written after each epoch. The same call continues after the last one and, on one
    CPU with the same number of threads, ends with the same weights, bit for bit, as one that was
    never stopped.

    Args:
        autoencoder: with its starting weights, on the device to train on.
        train_rows: representations to learn from.
        validation_rows: representations of other examples to look at after each epoch.
        settings: of the training; those about images and labels are without effect.
        out: folder for `model.safetensors`, `best.safetensors`, `metrics.csv`, `training.pt`.
        origin: of what the representations are.
        watchers: told of each step and epoch.

    Raises:
        InputError: representations of another shape, too few of them; `out` holds another run; the
            loss is not finite any more (the last checkpoint is kept); the disk is full.
    """
    out = Path(out)
    for rows in (train_rows, validation_rows):
        if tuple(rows.shape[1:]) != autoencoder.shape or len(rows) < 2:
            raise InputError(
                f"representations: expected at least 2 of shape {autoencoder.shape}, found "
                f"{len(rows)} of {tuple(rows.shape[1:])}."
            )
    task = _Task(autoencoder, train_rows, validation_rows, settings, out, origin)
    identity = {
        "settings": settings.resolved(),
        "design": autoencoder.design.plain(),
        "origin": vars(origin),
        "rows": [len(train_rows), len(validation_rows)],
    }
    trained = train_epochs(task, out, identity, watchers)
    if trained or not (out / MODEL).exists():
        write_metrics(out / METRICS, task.history)
        with evaluating(autoencoder):
            save_autoencoder(out / MODEL, autoencoder, origin)
    return Fit(out / MODEL, out / BEST, tuple(task.history), trained)


class _Task:
    """What changes while an autoencoder is trained, and what that depends on."""

    def __init__(
        self,
        autoencoder: Autoencoder,
        train_rows: Rows,
        validation_rows: Rows,
        settings: TrainingSettings,
        out: Path,
        origin: Origin,
    ) -> None:
        self.autoencoder, self.settings, self.out, self.origin = autoencoder, settings, out, origin
        self.train_rows, self.validation_rows = train_rows, validation_rows
        self.parameters = [p for p in autoencoder.parameters() if p.requires_grad]
        self.device = autoencoder.standardise.mean.device
        self.plan = Plan(
            epochs=settings.epochs,
            steps=steps_per_epoch(len(train_rows), settings.batch_size),
            batch=min(settings.batch_size, len(train_rows)),
        )
        self.optimiser: optim.Optimizer = build_optimiser(self.parameters, settings, fused=True)
        self.schedule: OneCycleLR = build_schedule(
            self.optimiser, settings, settings.epochs * self.plan.steps
        )
        self.history: list[FitRecord] = []

    def state(self) -> dict[str, Any]:
        """Return all that the next epoch depends on."""
        return {
            "network": self.autoencoder.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": [record.plain() for record in self.history],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.autoencoder.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = [FitRecord.of(record) for record in state["history"]]

    def keep_best(self, record: FitRecord) -> None:
        """Save the weights that explain most of the validation representations."""
        before = max((r.explained_variance for r in self.history), default=-math.inf)
        if record.explained_variance > before:
            save_autoencoder(self.out / BEST, self.autoencoder, self.origin)

    def epoch(self, epoch: int, watchers: Sequence[Watcher]) -> FitRecord:
        """Train one epoch, counted from 0, and look at the validation representations."""
        started = time.perf_counter()
        shuffled = order(len(self.train_rows), self.settings.seed, epoch)
        sums: dict[str, float] = {}
        rate = total = unexplained = 0.0
        self.autoencoder.train()
        with seeded(self.settings.seed, f"autoencoder epoch {epoch}", self.device):
            for step in range(self.plan.steps):
                places = shuffled[step * self.plan.batch : (step + 1) * self.plan.batch]
                rows = self.train_rows.tensors(places, self.device)
                value, share, numbers, rate = self._advance(rows)
                if not math.isfinite(value):
                    raise self._diverged(value, epoch, step)
                total, unexplained = total + value, unexplained + share
                for name, number in numbers.items():
                    sums[name] = sums.get(name, 0.0) + number
                for watcher in watchers:
                    watcher.step(epoch + 1, step + 1, value)
        trained = time.perf_counter()
        steps = self.plan.steps
        return FitRecord(
            epoch=epoch + 1,
            train_loss=total / steps,
            train_explained=1 - unexplained / steps,
            explained_variance=self._look_at_validation(),
            learning_rate=rate,
            rows_per_second=steps * self.plan.batch / (trained - started),
            seconds=time.perf_counter() - started,
            numbers={name: number / steps for name, number in sums.items()},
        )

    def _advance(self, rows: Tensor) -> tuple[float, float, dict[str, float], float]:
        """Make one step; return loss, unexplained share, further numbers and learning rate."""
        bf16 = self.settings.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            loss = self.autoencoder.loss(rows)
        value, rate = float(loss.total.item()), float(self.schedule.get_last_lr()[0])
        if math.isfinite(value):
            self.optimiser.zero_grad()
            loss.total.backward()
            if self.settings.clip is not None:
                nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
            self.optimiser.step()
            self.autoencoder.after_step()
            if self.schedule.last_epoch + 1 < self.schedule.total_steps:
                self.schedule.step()
        numbers = {name: float(number) for name, number in loss.numbers.items()}
        return value, float(loss.unexplained), numbers, rate

    def _look_at_validation(self) -> float:
        """Return the explained variance of the validation representations, and note the spread."""
        left = whole = 0.0
        latents = []
        mean = self.autoencoder.standardise.mean.double().cpu().numpy()
        with torch.no_grad(), evaluating(self.autoencoder):
            for _, rows in self.validation_rows.batches(self.settings.batch_size):
                exact = rows.astype(np.float64)
                latent = self.autoencoder.encode(torch.from_numpy(rows).float().to(self.device))
                found = self.autoencoder.decode(latent)
                if self.autoencoder.spread is not None:
                    latents.append(latent.double().cpu())
                left += float(np.square(exact - found.double().cpu().numpy()).sum())
                whole += float(np.square(exact - mean).sum())
        if self.autoencoder.spread is not None:
            self.autoencoder.spread.copy_(torch.cat(latents).std(0))
        return 1 - left / whole if whole > 0 else math.nan

    def _diverged(self, value: float, epoch: int, step: int) -> InputError:
        kept = f"the checkpoint of epoch {epoch} is kept" if self.history else "none is kept yet"
        return InputError(
            f"--learning_rate: the training has diverged: the loss is {value} in epoch {epoch + 1},"
            f" step {step + 1} of {self.plan.steps}; {kept}; start anew with a lower one or with "
            "--clip 1."
        )

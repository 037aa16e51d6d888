"""Those who look on while something is trained: the screen, the log and TensorBoard."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from core.studies.logs import LOGGER
from core.training.history import Record


@dataclass(frozen=True)
class Plan:
    """How long a training run is: its epochs, their steps, and the images of a step."""

    epochs: int
    steps: int
    batch: int


class Watcher:
    """Is told what happens in a training run; every method of this one does nothing."""

    def begin(self, plan: Plan, history: Sequence[Record]) -> None:
        """Hear of the plan, and of the epochs that were trained before a run was continued."""

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Hear of a finished step; epochs and steps are counted from 1."""

    def epoch(self, record: Record) -> None:
        """Hear of a finished epoch, whose checkpoint is written."""

    def end(self) -> None:
        """Hear that nothing more will come, whatever the reason."""


@contextlib.contextmanager
def watching(
    watchers: Sequence[Watcher], plan: Plan, history: Sequence[Record]
) -> Iterator[Sequence[Watcher]]:
    """Tell the watchers of the beginning and, in any case, of the end."""
    with contextlib.ExitStack() as stack:
        for watcher in watchers:
            watcher.begin(plan, history)
            stack.callback(watcher.end)
        yield watchers


class Lines(Watcher):
    """Writes a line per epoch to the log, with the rate and an estimate of what is left."""

    def begin(self, plan: Plan, history: Sequence[Record]) -> None:
        """Say where a stopped run goes on."""
        self.epochs = plan.epochs
        if history:
            LOGGER.info("continued after epoch %d of %d", len(history), plan.epochs)

    def epoch(self, record: Record) -> None:
        """Say what the epoch gave."""
        left = timedelta(seconds=round(record.seconds * (self.epochs - record.epoch)))
        LOGGER.info(
            "epoch %d of %d: %s%s",
            record.epoch,
            self.epochs,
            record.said(),
            f", about {left} left" if left else "",
        )


class Bar(Watcher):
    """Draws a bar with epoch, loss, images per second and estimate, on a terminal alone."""

    def begin(self, plan: Plan, history: Sequence[Record]) -> None:
        """Draw the bar, filled as far as the run has come."""
        self.bar = None
        if not sys.stderr.isatty():
            return
        from rich import progress
        from rich.console import Console

        self.batch = plan.batch
        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]} of {task.fields[epochs]}"),
            progress.BarColumn(),
            progress.TextColumn("loss {task.fields[loss]:.3f}"),
            progress.TextColumn("{task.fields[rate]:.0f} images/s"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            redirect_stdout=False,
        )
        self.task = self.bar.add_task(
            "training",
            total=plan.epochs * plan.steps,
            completed=len(history) * plan.steps,
            epoch=len(history) + 1,
            epochs=plan.epochs,
            loss=0.0,
            rate=0.0,
        )
        self.bar.start()

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Move on by a step."""
        if self.bar is not None:
            speed = self.bar.tasks[0].speed or 0.0
            self.bar.update(self.task, advance=1, epoch=epoch, loss=loss, rate=speed * self.batch)

    def end(self) -> None:
        """Leave the bar as it is and give the terminal back."""
        if self.bar is not None:
            self.bar.stop()


class TensorBoard(Watcher):
    """Writes the epochs as TensorBoard events; a continued run shows each of its epochs once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, plan: Plan, history: Sequence[Record]) -> None:
        """Write anew what the earlier epochs gave, in place of what a kill may have cut short."""
        from torch.utils.tensorboard import SummaryWriter

        shutil.rmtree(self.folder, ignore_errors=True)
        self.writer = SummaryWriter(str(self.folder))
        for record in history:
            self.epoch(record)

    def epoch(self, record: Record) -> None:
        """Write the numbers of an epoch."""
        for name, value in record.scalars().items():
            self.writer.add_scalar(name, value, record.epoch)
        self.writer.flush()

    def end(self) -> None:
        """Close the file."""
        self.writer.close()

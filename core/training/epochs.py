"""Training by epochs, whatever is trained: checkpoints, exact resume, records, watchers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from core.training.checkpoint import load_state, save_state
from core.training.history import Record, write_metrics
from core.training.watchers import Plan, Watcher, watching

STATE, METRICS = "training.pt", "metrics.csv"

R = TypeVar("R", bound=Record)


class Task(Protocol[R]):
    """What is trained, as the loop sees it.

    Attributes:
        plan: how long the run is.
        history: one record per finished epoch.
        device: where it is trained.
    """

    plan: Plan
    history: list[R]
    device: torch.device

    def state(self) -> dict[str, Any]:
        """Return all that the next epoch depends on, the history too, as tensors and values."""

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state."""

    def epoch(self, epoch: int, watchers: Sequence[Watcher]) -> R:
        """Train one epoch, counted from 0, look at the result, and return the record."""

    def keep_best(self, record: R) -> None:
        """Save the weights where this record, not yet in the history, is the best so far."""


def train_epochs(
    task: Task[R],
    out: Path,
    identity: Mapping[str, Any],
    watchers: Sequence[Watcher] = (),
) -> int:
    """Train until the plan's end, or go on with a run that was stopped.

    A checkpoint is written after each epoch; the same call continues after the last one. What an
    epoch draws must depend on its number alone, so that a stopped run ends as one that was not.

    Args:
        task: what is trained, at its start.
        out: folder for `training.pt`, the state to continue from, and `metrics.csv`.
        identity: plain values that tell this run from others.
        watchers: told of each step and epoch.

    Returns:
        How many epochs this call has trained.

    Raises:
        InputError: `out` holds another run, or the disk is full.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = load_state(out / STATE, identity, task.device)
    if state is not None:
        task.load(state)
    before, epochs = len(task.history), task.plan.epochs
    if before < epochs:
        with watching(watchers, task.plan, task.history):
            for epoch in range(before, epochs):
                record = task.epoch(epoch, watchers)
                task.keep_best(record)
                task.history.append(record)
                save_state(out / STATE, identity, task.state())
                write_metrics(out / METRICS, task.history)
                for watcher in watchers:
                    watcher.epoch(record)
    return epochs - before

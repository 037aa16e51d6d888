"""What each epoch of a training run gave, and its table on disk."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from core.files import write_text


class Record(Protocol):
    """One epoch of any training run."""

    @property
    def epoch(self) -> int:
        """Its number, from 1."""

    @property
    def seconds(self) -> float:
        """Its duration, validation included."""

    def plain(self) -> dict[str, Any]:
        """Return the record as plain values, in the order of a table's columns."""

    def said(self) -> str:
        """Return its numbers for a line on the screen."""

    def scalars(self) -> dict[str, float]:
        """Return its numbers by the names that TensorBoard groups them by."""


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of a classifier's training.

    Attributes:
        epoch: its number, from 1.
        train_loss: mean loss of the steps, in nats, with label smoothing and augmentation.
        validation_loss: mean cross-entropy on the validation images, in nats, without either.
        validation_accuracy: fraction of the validation images that are classified correctly.
        learning_rate: the one of the epoch's last step.
        images_per_second: training images per second.
        seconds: duration, validation included.
        numbers: what a perturbation of the steps has to say.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    images_per_second: float
    seconds: float
    numbers: dict[str, float] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return the record as plain values."""
        own = asdict(self)
        return {**{k: v for k, v in own.items() if k != "numbers"}, **self.numbers}

    @staticmethod
    def of(values: dict[str, Any]) -> EpochRecord:
        """Return the record of plain values."""
        own = set(EpochRecord.__dataclass_fields__) - {"numbers"}
        return EpochRecord(
            **{k: v for k, v in values.items() if k in own},
            numbers={k: v for k, v in values.items() if k not in own},
        )

    def said(self) -> str:
        """Return its numbers for a line on the screen."""
        return (
            f"loss {self.train_loss:.4f}, validation loss {self.validation_loss:.4f}, "
            f"accuracy {100 * self.validation_accuracy:.1f} %, "
            f"{self.images_per_second:.0f} images/s"
        )

    def scalars(self) -> dict[str, float]:
        """Return its numbers by the names that TensorBoard groups them by."""
        return {
            "loss/train": self.train_loss,
            "loss/validation": self.validation_loss,
            "accuracy/validation": self.validation_accuracy,
            "learning_rate": self.learning_rate,
            "images_per_second": self.images_per_second,
            **{f"perturbation/{name}": value for name, value in self.numbers.items()},
        }


def write_metrics(path: Path, history: Sequence[Record]) -> None:
    """Write the records as a CSV table, one row per epoch, atomically."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    rows = [record.plain() for record in history]
    writer.writerow(rows[0] if rows else ())
    writer.writerows(row.values() for row in rows)
    write_text(path, table.getvalue())

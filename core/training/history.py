"""What each epoch of a training run gave, and its table on disk."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from core.files import write_text


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of a training run.

    Attributes:
        epoch: its number, from 1.
        train_loss: mean loss of the steps, in nats, with label smoothing and augmentation.
        validation_loss: mean cross-entropy on the validation images, in nats, without either.
        validation_accuracy: fraction of the validation images that are classified correctly.
        learning_rate: the one of the epoch's last step.
        images_per_second: training images per second.
        seconds: duration, validation included.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    images_per_second: float
    seconds: float

    def plain(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return asdict(self)


def write_metrics(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write the records as a CSV table, one row per epoch, atomically."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(field.name for field in fields(EpochRecord))
    writer.writerows(astuple(record) for record in history)
    write_text(path, table.getvalue())

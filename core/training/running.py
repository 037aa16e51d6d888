"""A training run as a command: its options, its run directory, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.data import ImageSet
from core.files import remove_stale, write_json
from core.models import Classifier, fingerprint, resolve_device
from core.studies import StudyInterrupted
from core.studies.logs import LOGGER, log_file
from core.studies.run_directory import (
    RunDirectory,
    default_path,
    locked,
    mark_finished,
    open_run,
)
from core.studies.settings import plain
from core.training import augmentation
from core.training.loop import TrainingResult, train
from core.training.settings import TrainingSettings
from core.training.splits import training_splits
from core.training.start import from_checkpoint, new_classifier
from core.training.watchers import Bar, Lines, TensorBoard, Watcher

COMMAND = "core.train"

_APART = ("out", "tensorboard")
"""Options that change no weight."""


def run_training(options: dict[str, Any], settings: TrainingSettings) -> RunDirectory:
    """Prepare images, classifier and run directory, train, and return the run directory.

    Args:
        options: the arguments of `core.train.run`.
        settings: those of them that are settings of the training.
    """
    device = resolve_device(options["device"])
    train_set, validation_set = training_splits(
        options["data"], size=options["size"], skip_unreadable=options["skip_unreadable"]
    )
    classifier = _classifier(options, train_set).to(device)
    config = plain({name: value for name, value in options.items() if name not in _APART})
    resolved = settings.resolved() | {"device": str(device)}
    resolved["augmentation"] = augmentation.resolve(settings.augmentation, train_set)
    config |= {name: value for name, value in resolved.items() if name in config}
    identity = {
        "start": fingerprint(classifier),
        "train_images": train_set.fingerprint,
        "validation_images": validation_set.fingerprint,
    }
    path = Path(options["out"] or default_path(COMMAND, config, identity))
    directory = open_run(path, COMMAND, config, identity, [])
    watchers: list[Watcher] = [Lines(), Bar()]
    if options["tensorboard"]:
        watchers.append(TensorBoard(path / "tensorboard"))
    with locked(directory), log_file(path / "log.txt"), _interruptible(directory):
        remove_stale(path)
        result = train(classifier, train_set, validation_set, settings, path, watchers)
        write_json(path / "summary.json", _summary(result, validation_set))
        mark_finished(directory)
        LOGGER.info(
            "%s: accuracy %.1f %% on the %d images of split %s; use it with --model %s"
            " --checkpoint %s",
            "finished" if result.trained else "was finished before",
            100 * result.accuracy,
            len(validation_set),
            validation_set.split,
            classifier.spec,
            result.model,
        )
    return directory


def _summary(result: TrainingResult, validation_set: ImageSet) -> dict[str, Any]:
    last = result.history[-1]
    return {
        "accuracy": result.accuracy,
        "loss": last.validation_loss,
        "best_accuracy": result.best_accuracy,
        "validation_split": validation_set.split,
        "validation_images": len(validation_set),
        "epochs": last.epoch,
        "seconds": sum(record.seconds for record in result.history),
    }


def _classifier(options: dict[str, Any], train_set: ImageSet) -> Classifier:
    given = {name: options[name] for name in ("normalisation", "stem", "seed")}
    if options["checkpoint"] is None:
        return new_classifier(options["model"], train_set, **given)
    return from_checkpoint(options["model"], train_set, options["checkpoint"], **given)


@contextmanager
def _interruptible(directory: RunDirectory) -> Iterator[None]:
    """Let Ctrl-C end in a sentence that says how to continue."""
    try:
        yield
    except KeyboardInterrupt:
        message = (
            f"stopped: the finished epochs are kept in {directory.path};"
            " run the same command again to continue"
        )
        LOGGER.debug(message)
        raise StudyInterrupted(message) from None

"""Pictures: reconstructed images, and what a reconstruction changes at hidden layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoencoders.artifact import load_autoencoder
from autoencoders.fitting import MODEL
from autoencoders.quality.baselines import NearestExample
from autoencoders.split_study import TRAIN, VALIDATION
from autoencoders.train import figures
from autoencoders.train.judging import Learnt
from core.report import Report

if TYPE_CHECKING:
    from autoencoders.train.study import TrainStudy
    from core.studies import RunDirectory

SHOWN = 6


def add(report: Report, study: TrainStudy, run: RunDirectory) -> None:
    """Add examples of every layer to a report.

    Of the input layer the reconstructions themselves are shown; a hidden representation is no
    picture, so what its reconstruction changes is shown by the training example nearest to it
    before and after.
    """
    from autoencoders.train.study import folder_of

    images = study.sets[VALIDATION]
    chosen = np.arange(min(SHOWN, len(images)))
    pixels, labels = (t.numpy() for t in images.tensors(chosen))
    names = images.class_names
    titles = [f"{images.ids[i]}: {names[int(k)]}" for i, k in zip(chosen, labels, strict=True)]
    for layer in study.layers:
        columns, lines = {"image": pixels}, {}
        rows = study.rows(VALIDATION, layer, run)[chosen]
        nearest = NearestExample(study.rows(TRAIN, layer, run))
        if layer != "input":
            places = nearest.nearest(rows)
            columns["nearest before"], lines["nearest before"] = _pictures(study, places)
        for kind in study.kinds:
            autoencoder, _ = load_autoencoder(folder_of(run, layer, kind, 0) / MODEL, study.device)
            guesses = Learnt(autoencoder)(rows)
            name = figures.SHORT[kind]
            if layer == "input":
                columns[name] = np.clip(guesses, 0, 1)
                error = np.linalg.norm((guesses - rows).reshape(len(rows), -1), axis=1)
                lines[name] = [f"l2 {e:.2f}" for e in error]
            else:
                after = nearest.nearest(guesses)
                key = f"nearest after {name}"
                columns[key], lines[key] = _pictures(study, after)
        what = (
            "images and their reconstructions, with the l2 length of the error"
            if layer == "input"
            else "images, the training example nearest to their representation, and the one "
            "nearest to its reconstruction by each kind, with their classes"
        )
        report.examples(columns, f"{layer}: {what}.", captions=lines, titles=titles)


def _pictures(study: TrainStudy, places: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return training images at some places, and their classes."""
    pixels, labels = study.sets[TRAIN].tensors(places)
    names = study.sets[TRAIN].class_names
    return pixels.numpy(), [names[int(k)] for k in labels]

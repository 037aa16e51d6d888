"""Pictures of moves: an image, and the training examples it lies next to before and after."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from autoencoders.augment.comparisons import AUTOENCODER, NOISE
from autoencoders.split_study import TRAIN
from core.data import ImageSet
from core.randomness import generators
from core.report import Report

if TYPE_CHECKING:
    from autoencoders.augment.study import AugmentStudy
    from core.studies import RunDirectory

SHOWN = 3
NAMES = {AUTOENCODER: "autoencoder", NOISE: "noise"}


def add(report: Report, study: AugmentStudy, run: RunDirectory, read: pd.DataFrame) -> None:
    """Add examples of every layer to a report: the first ones, and those that change most.

    What is moved at the input is a picture and is shown; a hidden representation is none.
    """
    images, known = study.read_images(), study.sets[TRAIN]
    for layer in study.layers:
        own = {
            move: rows.set_index("id").loc[[str(i) for i in images.ids]]
            for move, rows in read[read["layer"] == layer].groupby("move")
        }
        changed = own[AUTOENCODER]["class_changed"].to_numpy()
        most = [i for i in np.argsort(-changed, kind="stable") if i >= SHOWN and changed[i] > 0]
        chosen = np.array([*range(min(SHOWN, len(images))), *most[:SHOWN]])
        pixels, labels = (t.numpy() for t in images.tensors(chosen))
        columns, lines = {"image": pixels}, {}
        if layer == "input":
            columns |= _moved(study, run, images, chosen)
        before = own[AUTOENCODER]["before"].to_numpy()[chosen]
        columns["nearest before"], lines["nearest before"] = _pictures(known, before)
        for move, name in NAMES.items():
            key = f"nearest after {name}"
            columns[key], lines[key] = _pictures(known, own[move]["after"].to_numpy()[chosen])
        titles = [
            f"{images.ids[i]}: {images.class_names[int(k)]}; another class after "
            f"{100 * changed[i]:.0f} % of the autoencoder's moves"
            for i, k in zip(chosen, labels, strict=True)
        ]
        report.examples(
            columns,
            f"{layer}: images, and the training example nearest to their representation before "
            "and after one move, with its class. The first "
            f"{SHOWN} images of the study, then those whose nearest example changes class most "
            "often by the autoencoder's moves, if there are any.",
            captions=lines,
            titles=titles,
        )


def _moved(
    study: AugmentStudy, run: RunDirectory, images: ImageSet, chosen: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what the images look like after the first draw of each move."""
    pixels, _ = images.tensors(chosen, device=study.device)
    ids = [str(images.ids[i]) for i in chosen]
    return {
        f"moved by {NAMES[arm]}": (pixels + move(pixels, partial(_first, study.seed, ids)))
        .clamp(0, 1)
        .cpu()
        .numpy()
        for arm, move in study.moves("input", run).items()
    }


def _first(seed: int, ids: list[str], purpose: str) -> list[np.random.Generator]:
    return generators(seed, ids, f"draw 0, {purpose}")


def _pictures(images: ImageSet, places: np.ndarray) -> tuple[np.ndarray, list[str]]:
    pixels, labels = images.tensors(places)
    return pixels.numpy(), [images.class_names[int(k)] for k in labels]

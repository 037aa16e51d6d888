"""The classifiers of the embedded default: trained in seconds on first use, then kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from core.data import cache_root, load_images
from core.errors import unknown_name
from core.files import atomic_file
from core.models import fingerprint
from core.models.builtin import BUILT_IN
from core.studies.settings import digest
from core.training.loop import train
from core.training.settings import TrainingSettings
from core.training.start import new_classifier

RECIPE_VERSION = 1
RECIPE = TrainingSettings(
    epochs=15, batch_size=64, learning_rate=0.2, label_smoothing=0.0, augmentation="none"
)
RECIPES = {
    # Without batch normalisation on every path SGD diverges at a rate at which it would be fast.
    "digits_patches": replace(RECIPE, optimiser="adamw", learning_rate=5e-3),
}
"""Where `RECIPE` is not what trains a network."""


def embedded(name: str) -> Path:
    """Return the checkpoint of a built-in classifier, trained on the digits if it is not there yet.

    It lies in the cache, named by architecture, recipe, images and version of torch. Training takes
    a few seconds on one thread and gives the same weights each time on one machine; processes that
    start at once do not disturb one another.

    Raises:
        InputError: there is no built-in classifier of that name.
    """
    if name not in BUILT_IN:
        raise unknown_name("--model", name, BUILT_IN)
    settings = RECIPES.get(name, RECIPE)
    train_set = load_images("digits", split="train")
    classifier = new_classifier(name, train_set)
    key = {
        "recipe": RECIPE_VERSION,
        "settings": settings.resolved(),
        "start": fingerprint(classifier),
        "images": train_set.fingerprint,
        "torch": torch.__version__,
    }
    folder = cache_root() / "classifiers"
    path = folder / f"{name}-{digest(key)[:16]}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as run, _one_thread():
            result = train(
                classifier, train_set, load_images("digits", split="test"), settings, run
            )
            with atomic_file(path) as temporary:
                result.model.rename(temporary)
    return path


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread inside the block: more of them may round sums differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

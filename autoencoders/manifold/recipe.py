"""The search on the manifold as an attack recipe, `manifold(autoencoder='FILE', radius=3)`."""

from __future__ import annotations

from attacks.active import Outcome
from attacks.task import Task
from autoencoders.artifact import load_autoencoder
from autoencoders.manifold.ascent import climb
from autoencoders.manifold.manifold import Manifold
from core.errors import InputError
from core.layers import INPUT


def make(task: Task) -> Outcome:
    """Make the examples of a `manifold` recipe.

    The autoencoder is one of images. Which classifier it was trained beside is without effect, so
    that one file serves every classifier of the same images.

    Raises:
        InputError: the file cannot be used, is of a hidden layer, or of images of another shape.
    """
    autoencoder, origin = load_autoencoder(task.recipe["autoencoder"], task.device)
    if origin.layer != INPUT:
        raise InputError(
            f"autoencoder: {task.recipe['autoencoder']} is of the layer {origin.layer}; an attack "
            "needs one of the images themselves, of the layer input. Representations are searched "
            "by autoencoders.manifold.search."
        )
    manifold = Manifold(autoencoder.to(task.images.dtype), task.counting.classifier)
    return climb(task, manifold)[1]

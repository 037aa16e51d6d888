"""The search on the manifold as one function: latents of examples that fool a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attacks.counting import Counting
from attacks.inputs import (
    checked_classifier,
    checked_ids,
    checked_images,
    checked_labels,
    device_of,
    drawn_targets,
)
from attacks.noisy import Weights
from attacks.norms import lengths
from attacks.recipes import filled
from attacks.task import Task
from autoencoders.manifold.ascent import climb
from autoencoders.manifold.manifold import Manifold
from autoencoders.model import Autoencoder
from core.layers import INPUT
from core.models import evaluating


@dataclass(frozen=True)
class OnManifold:
    """What a search found, one row per example, in their order.

    Attributes:
        decoded: `(n, ...)` the images of the latents that were found, in the box; the genuine image
            where none was looked for. At a hidden layer the decoded representations.
        latents: `(n, k)` what was found; `starts` where nothing was looked for.
        starts: `(n, k)` the latents of the genuine examples.
        lengths: `(n,)` of the moves between them, in the norm of the ball and units of the spread.
        clean_correct: `(n,)` whether the genuine example is classified correctly.
        reconstructed: `(n,)` whether its reconstruction is, too; else nothing was looked for.
        predictions: `(n,)` of what was found.
        success: `(n,)` whether it fools the classifier (reaches the target, if targeted) beyond
            what rounding can undo.
        targets: `(n,)` the target classes, if targeted.
        forwards, backwards: `(n,)` passes of the classifier.
    """

    decoded: Tensor
    latents: Tensor
    starts: Tensor
    lengths: Tensor
    clean_correct: Tensor
    reconstructed: Tensor
    predictions: Tensor
    success: Tensor
    targets: Tensor | None
    forwards: Tensor
    backwards: Tensor


def search(
    classifier: nn.Module,
    autoencoder: Autoencoder,
    images: Tensor,
    labels: Tensor,
    *,
    layer: str = INPUT,
    norm: str = "l2",
    radius: float = 3.0,
    steps: int = 40,
    step_size: float | None = None,
    objective: str = "cross_entropy",
    stop: bool | None = None,
    targeted: bool = False,
    targets: Tensor | None = None,
    noisy: str | None = None,
    noise_scale: float | None = None,
    weights: Sequence[Weights] | None = None,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> OnManifold:
    """Maximise the loss of the label, or a target's probability, over the latents of examples.

    With `z` the latent of an example, `s` the spread of the autoencoder's latents and `D` its
    decoder, `loss(classifier(D(z + s m)))` is climbed over the moves `m` with `|m| <= radius`; at
    the input, `D` ends in a clip to the box `[0, 1]`. Each step goes up the steepest way in the
    norm. Results depend on the seed (noisy classifiers, drawn targets) and the example alone.

    Args:
        classifier: images in `[0, 1]` to logits `(n, k)`.
        autoencoder: of `ae`, `dae` or `vae`, trained on the layer.
        images: `(n, ...)` in `[0, 1]`.
        labels: `(n,)` the true classes.
        layer: of the autoencoder. Beyond the input the decoded representation takes the place of
            the layer's output, and the rest of the classifier goes on with it.
        norm: of the ball, `l2` or `linf`.
        radius: in units of the spread, each number of the latent in its own.
        steps: gradient steps.
        step_size: length of a step, in the same units; a tenth of the radius if not given.
        objective: `cross_entropy` or `margin`.
        stop: whether an example stops at its first success; if not given, it does unless noisy.
        targeted: towards a target class instead of away from the label.
        targets: `(n,)` the target classes; drawn from the other classes if not given.
        noisy: the gradient of each step is that of a fresh classifier around this one: `gaussian`,
            `filter`, `dropout` or `weights`, see `attacks.NoisyClassifier`.
        noise_scale: of the first three; 0.1 if not given.
        weights: for the last.
        seed: of the random numbers.
        ids: one name per image; `"0"`, `"1"`, ... if not given.
        batch_size: the most images evaluated at once.

    Raises:
        InputError: an argument cannot be used; the message names it.

    Cost: see `autoencoders.manifold.ascent.LatentAscent`.
    """
    checked_classifier(classifier)
    images = checked_images(images)
    labels = checked_labels(labels, len(images), "labels")
    names = checked_ids(ids, len(images))
    settings: dict[str, Any] = {
        "autoencoder": "as given",
        "norm": norm,
        "radius": radius,
        "steps": steps,
        "step_size": step_size,
        "objective": objective,
        "stop": stop,
        "targeted": targeted or targets is not None,
        "noisy": noisy,
        "noise_scale": noise_scale,
    }
    recipe = filled("manifold", {k: v for k, v in settings.items() if v is not None})
    counting, device = Counting(classifier, len(images)), device_of(classifier, images)
    with torch.inference_mode(False), evaluating(classifier), evaluating(autoencoder):
        aims = None
        if recipe["targeted"]:
            if targets is not None:
                targets = checked_labels(targets, len(images), "targets")
            aims = drawn_targets(counting, images, labels, names, seed, targets, device)
        task = Task(
            recipe=recipe,
            counting=counting,
            images=images,
            labels=labels,
            references=labels if aims is None else aims,
            ids=names,
            seed=seed,
            batch_size=batch_size,
            device=device,
            weights=weights,
        )
        manifold = Manifold(autoencoder, classifier, layer)
        attack, outcome = climb(task, manifold)
        decoded = outcome.images
        if layer != INPUT:
            with torch.no_grad():
                decoded = torch.cat([manifold.decode(z) for z in attack.latents.split(batch_size)])
    # A number of the latent that does not vary has not moved.
    moves = ((attack.latents - attack.starts) / manifold.spread).nan_to_num(0.0)
    return OnManifold(
        decoded=decoded.to(images),
        latents=attack.latents,
        starts=attack.starts,
        lengths=lengths(moves, norm),
        clean_correct=outcome.clean_predictions == labels,
        reconstructed=attack.reconstructed.to(labels.device),
        predictions=outcome.predictions,
        success=outcome.success,
        targets=aims,
        forwards=counting.forwards,
        backwards=counting.backwards,
    )

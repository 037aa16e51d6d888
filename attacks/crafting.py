"""Crafting: a recipe's adversarial examples, whether they won, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attacks import (
    apgd,
    autoattack,
    elsewhere,
    fab,
    gradient_ascent,
    minimum_norm,
    noise,
    shuffled,
    square,
)
from attacks.active import Outcome
from attacks.counting import Counting
from attacks.forms.zoo import ZOO
from attacks.inputs import (
    checked_classifier,
    checked_ids,
    checked_images,
    checked_labels,
    device_of,
    drawn_targets,
)
from attacks.noisy import Weights
from attacks.recipes import Recipe, parse
from attacks.task import Task
from attacks.trajectories import Record, Trajectories, record_of
from attacks.zoo import crafting as zoo
from core.errors import InputError
from core.models import evaluating, weights_fingerprint

MAKERS: dict[str, Callable[[Task], Outcome]] = {
    "fgsm": gradient_ascent.make,
    "pgd": gradient_ascent.make,
    "apgd": apgd.make,
    "apgdt": apgd.make,
    "minnorm": minimum_norm.make,
    "fab": fab.make,
    "square": square.make,
    "autoattack": autoattack.make,
    "manifold": elsewhere.maker("manifold"),
    "noise": noise.make,
    "shuffled": shuffled.make,
    **dict.fromkeys(ZOO, zoo.make),
}
"""What makes a recipe's examples, by the name of its form."""

RECORDED = ("fgsm", "pgd", "minnorm")
"""The forms whose way to the examples can be recorded."""


@dataclass(frozen=True, repr=False)
class Crafted:
    """Adversarial examples, one per image, in the order of the images.

    Attributes:
        images: `(n, ...)` the adversarial images; the genuine image where it was wrong already.
        labels: `(n,)` the true classes.
        ids: one name per example.
        recipe: what made them.
        seed: of the random numbers.
        targets: `(n,)` the target classes of a targeted recipe, else None.
        clean_predictions: `(n,)` predicted for the genuine images.
        predictions: `(n,)` predicted for the adversarial images, as the attack saw it.
        clean_correct: `(n,)` whether the genuine image is classified correctly.
        success: `(n,)` clean correct, and fooled beyond what rounding can undo (target reached, if
            targeted). For a noise control it says whether the label happened to change.
        radii: `(n,)` the lengths a noise control was asked for, in its norm, else None.
        forwards: `(n,)` forward passes spent on each example, the clean one included.
        backwards: `(n,)` backward passes spent on each example.
        broken_by: `(n,)` of AutoAttack's parts, by their number in `attacks.autoattack.PARTS`, the
            one that fooled the classifier, -1 where none did; else None.
        trajectories: the way to each example, if it was to be recorded.
        weights: the fingerprint of the weights of a recipe with `noisy=weights`, else None; see
            `core.models.weights_fingerprint`.
    """

    images: Tensor
    labels: Tensor
    ids: tuple[str, ...]
    recipe: Recipe
    seed: int
    targets: Tensor | None
    clean_predictions: Tensor
    predictions: Tensor
    clean_correct: Tensor
    success: Tensor
    radii: Tensor | None
    forwards: Tensor
    backwards: Tensor
    broken_by: Tensor | None = None
    trajectories: Trajectories | None = None
    weights: str | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        """Say what was made; the tensors would fill a notebook."""
        right, won = int(self.clean_correct.sum()), int(self.success.sum())
        passes = float(self.forwards.double().mean()) if len(self) else 0.0
        return (
            f"Crafted({self.recipe}: {won} of {right} fooled, {len(self)} images, "
            f"{passes:.1f} forward passes each)"
        )


def craft(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: str | Recipe,
    seed: int = 0,
    *,
    ids: Sequence[str] | None = None,
    targets: Tensor | None = None,
    batch_size: int = 256,
    weights: Sequence[Weights] | None = None,
    record: bool | int | str | Record | None = None,
) -> Crafted:
    """Craft adversarial examples by one recipe.

    An example leaves the batch as soon as it is done, and one that waits takes its place (with
    noisy classifiers, when all have left: the noise of a step is that of the whole batch). Images
    that the classifier gets wrong are left as they are and marked. The classifier runs in eval
    mode and frozen, and is given back as it was; no gradient is left in it, and the global random
    state is neither read nor written. An example's result depends on the seed and its id, not on
    its companions (beyond float rounding).

    Args:
        classifier: images in `[0, 1]` to logits `(n, k)`.
        images: `(n, ...)` in `[0, 1]`, float32 or float64.
        labels: `(n,)` the true classes.
        recipe: such as `pgd(norm=linf, eps=8/255, steps=40)`.
        seed: of the random numbers.
        ids: one name per image; `"0"`, `"1"`, ... if not given.
        targets: `(n,)` target classes for a targeted recipe; if not given, each is drawn from the
            classes other than the label.
        batch_size: the most images evaluated at once.
        weights: for a recipe with `noisy=weights`, the state dicts that the gradients are taken
            with, one at each step in random order; see `attacks.noisy.NoisyClassifier`.
        record: whether the way to each example is kept, for `pgd`, `fgsm` and `minnorm`: True for
            every point, a number for every so-many-th, `figures` for objective, lead and length
            without the images (all points of 256 photographs of 64 x 64 take 13 MB per step); see
            `attacks.trajectories`.

    Raises:
        InputError: an argument cannot be used, or the classifier's logits or gradients are not
            finite; the message names the argument.
    """
    (crafted,) = craft_all(
        classifier,
        images,
        labels,
        [recipe],
        seed,
        ids=ids,
        targets=targets,
        batch_size=batch_size,
        weights=weights,
        record=record,
    )
    return crafted


def craft_all(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipes: Iterable[str | Recipe],
    seed: int = 0,
    *,
    ids: Sequence[str] | None = None,
    targets: Tensor | None = None,
    batch_size: int = 256,
    weights: Sequence[Weights] | None = None,
    record: bool | int | str | Record | None = None,
) -> list[Crafted]:
    """Craft by several recipes, in their order; a noise control reuses the recipe it is like.

    Arguments and errors are those of `craft`. The passes of a control include those of its recipe.
    """
    checked_classifier(classifier)
    images = checked_images(images)
    labels = checked_labels(labels, len(images), "labels")
    names = checked_ids(ids, len(images))
    if targets is not None:
        targets = checked_labels(targets, len(images), "targets")
    if batch_size < 1:
        raise InputError(f"--batch_size: must be at least 1, found {batch_size}.")
    made: dict[Recipe, Crafted] = {}

    def one(recipe: Recipe) -> Crafted:
        if recipe not in made:
            like = recipe.get("like")
            model = None if like is None else one(like)
            made[recipe] = _crafted(
                classifier,
                images,
                labels,
                recipe,
                seed,
                names,
                targets,
                batch_size,
                model,
                weights,
                kept if recipe in wanted else None,
            )
        return made[recipe]

    wanted = [parse(recipe) for recipe in recipes]
    noises = {(recipe.get("like") or recipe).get("noisy") for recipe in wanted}
    if weights is not None and "weights" not in noises:
        raise InputError("weights: given, but no recipe has noisy=weights.")
    if targets is not None and not any(recipe.get("targeted") for recipe in wanted):
        raise InputError("targets: given, but no recipe has targeted=true.")
    kept = record_of(record)
    if kept is not None:
        for recipe in wanted:
            if recipe.name not in RECORDED:
                known = ", ".join(RECORDED)
                raise InputError(f"record: the way is recorded of {known}, not of {recipe}.")
    # Inside inference mode no gradient exists, whatever is enabled.
    with torch.inference_mode(False), evaluating(classifier):
        return [one(recipe) for recipe in wanted]


def _crafted(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    seed: int,
    ids: tuple[str, ...],
    targets: Tensor | None,
    batch_size: int,
    like: Crafted | None,
    weights: Sequence[Weights] | None,
    record: Record | None,
) -> Crafted:
    counting = Counting(classifier, len(images))
    device = device_of(classifier, images)
    aims = None
    if recipe.get("targeted"):
        aims = drawn_targets(counting, images, labels, ids, seed, targets, device)
    task = Task(
        recipe=recipe,
        counting=counting,
        images=images,
        labels=labels,
        references=labels if aims is None else aims,
        ids=ids,
        seed=seed,
        batch_size=batch_size,
        device=device,
        like=like,
        weights=weights,
        record=record,
    )
    outcome = MAKERS[recipe.name](task)
    return Crafted(
        images=outcome.images,
        labels=labels,
        ids=ids,
        recipe=recipe,
        seed=seed,
        targets=aims,
        clean_predictions=outcome.clean_predictions,
        predictions=outcome.predictions,
        clean_correct=outcome.clean_predictions == labels,
        success=outcome.success,
        radii=outcome.radii,
        forwards=counting.forwards + (0 if like is None else like.forwards),
        backwards=counting.backwards + (0 if like is None else like.backwards),
        broken_by=outcome.broken_by,
        trajectories=outcome.trajectories,
        weights=like.weights if like is not None else _fingerprint(recipe, weights),
    )


def _fingerprint(recipe: Recipe, weights: Sequence[Weights] | None) -> str | None:
    """Return what identifies the weights that a recipe's gradients were taken with."""
    if recipe.get("noisy") != "weights" or weights is None:
        return None
    return weights_fingerprint(weights)

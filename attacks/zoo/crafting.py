"""Crafting with attacks of torchattacks, so that its known defects do not show.

The attack is given images that are classified correctly, in batches or one by one, a classifier
that it cannot change, and random numbers that belong to the example. What it makes is judged here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attacks.active import Outcome, check_finite, check_logits
from attacks.forms.zoo import ZOO
from attacks.forms.zoo.attack import ZooAttack
from attacks.norms import lengths, per_example, project
from attacks.objectives import lead, rounding
from attacks.task import Task
from attacks.zoo.library import attack_class
from attacks.zoo.randomness import Translated, seeded
from attacks.zoo.shown import Shown
from core import randomness
from core.errors import InputError

ROUNDING = 1e-6
MOST_FEATURES = 4096
"""JSMA holds several tables of features x features: 4,096 of them take about a gigabyte."""


def make(task: Task) -> Outcome:
    """Make the examples of a recipe of the zoo.

    Cost per example: the attack's own passes, and two forward passes: one before, one after.

    Raises:
        InputError: torchattacks is not installed, or the attack is refused for these images.
    """
    zoo = ZOO[task.recipe.name]
    made_by = attack_class(zoo.made_by, task.recipe.name)
    refuse_shapes(zoo, task)
    every = torch.arange(len(task.images))
    clean, _, classes = judged(task, task.images, every)
    right = (clean == task.labels.cpu()).nonzero().squeeze(1)
    if len(right):
        refuse_classes(task, classes)
    made = task.images.clone()
    size = 1 if not zoo.together else task.batch_size // (task.recipe.get(zoo.copies or "") or 1)
    for rows in batches(right, max(size, 1)):
        made[rows.to(made.device)] = attacked(task, zoo, made_by, rows, classes)
    predictions, won, _ = judged(task, made, right)
    predictions = torch.where(torch.isin(every, right), predictions, clean)
    device = task.images.device
    return Outcome(made, clean.to(device), predictions.to(device), won.to(device))


def refuse_shapes(zoo: ZooAttack, task: Task) -> None:
    """Raise where the attack cannot take images of this shape."""
    name, shape = task.recipe.name, tuple(task.images.shape[1:])
    if zoo.rows_and_columns and len(shape) != 3:
        raise InputError(
            f"--attacks: {name} needs images (channels, rows, columns), found {shape}."
        )
    if zoo.square and (shape[1] != shape[2] or shape[1] < 2):
        raise InputError(
            f"--attacks: {name} shrinks images to squares and pads them: it needs as many rows as "
            f"columns, and two at least, found {shape}."
        )
    features = int(torch.Size(shape).numel())
    if name == "jsma" and features > MOST_FEATURES:
        raise InputError(
            f"--attacks: jsma holds tables of features x features; {features} features are more "
            f"than the {MOST_FEATURES} that it is run for."
        )
    if name == "pixle" and features < 2 * shape[0]:
        raise InputError(f"--attacks: pixle needs two pixels at least, found {shape}.")


def refuse_classes(task: Task, classes: int) -> None:
    """Raise where the attack cannot work with so few classes."""
    if task.recipe.get("objective") == "dlr":
        needed = 4 if task.recipe["targeted"] else 3
        if classes < needed:
            raise InputError(
                f"--attacks: {task.recipe.name} with objective=dlr needs {needed} classes, found "
                f"{classes}."
            )


def attacked(
    task: Task, zoo: ZooAttack, made_by: Callable[..., Any], rows: Tensor, classes: int
) -> Tensor:
    """Return what the attack makes of these examples, within the ball up to its own errors."""
    images = task.images[rows.to(task.images.device)].to(task.device)
    labels, references = (
        classes_of[rows.to(classes_of.device)].to(task.device)
        for classes_of in (task.labels, task.references)
    )
    shown = Shown(
        task.counting,
        images.shape[1:],
        rows,
        task.ids,
        task.device,
        task.batch_size,
        zoo.raised,
        task.noisy_classifier(),
    )
    attack = made_by(shown, **zoo.constructed_with(dict(task.recipe.settings)) | sized(task))
    if task.recipe.name == "sparsefool":
        attack.deepfool.steps = task.recipe["boundary_steps"]
    aims = references
    targeted = bool(task.recipe.get("targeted"))
    if task.recipe.name == "jsma" and not targeted:
        # It can only aim: torchattacks aims at the next class, of ten.
        aims, targeted = (labels + 1) % classes, True
    if targeted:
        attack.set_mode_targeted_by_function(lambda *_: aims, quiet=True)
    names = [task.ids[row] for row in rows.tolist()]
    streams = randomness.generators(task.seed, names, f"zoo {task.recipe.name}")
    translated = Translated(streams if zoo.together else None, zoo.made_by == "CW")
    shown.translated = translated
    fixed = randomness.generator(task.seed, "", "zoo") if zoo.together else streams[0]
    given = aims if zoo.labels_are_targets else labels
    with (
        torch.enable_grad(),
        seeded(fixed, task.device, images.dtype),
        warnings.catch_warnings(),
        translated,
    ):
        # What a newer numpy or torch thinks of its code is no news to whoever asks for an attack.
        warnings.filterwarnings("ignore", module="torchattacks")
        found = attack.forward(shown.attacked(images), given.clone())
    found = found.detach().reshape(images.shape).to(images)
    return within(task, images, found).to(task.images.device)


def sized(task: Task) -> dict[str, Any]:
    """Return the arguments that are no numbers or words."""
    if task.recipe.name != "pixle":
        return {}
    sides = (task.recipe["smallest"], task.recipe["largest"])
    return {"x_dimensions": sides, "y_dimensions": sides}


def within(task: Task, images: Tensor, found: Tensor) -> Tensor:
    """Bring back what rounding took out of ball and box; what is further out stays, to be seen.

    An attack that ended in no number has made nothing: the image is as it was.
    """
    finite = torch.isfinite(found).flatten(1).all(1)
    found = torch.where(per_example(finite, found), found, images)
    inside = found.clamp(0, 1)
    found = torch.where((found - inside).abs() <= ROUNDING, inside, found)
    eps = task.recipe.get("eps")
    if eps is None:
        return found
    norm = task.recipe["norm"]
    radii = torch.full_like(images.flatten(1)[:, 0], eps)
    excess = lengths(found - images, norm) - radii
    brought = project(found, images, radii, norm)
    return torch.where(per_example((excess > 0) & (excess <= ROUNDING), found), brought, found)


def batches(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """Return the rows in batches; none where there are no rows."""
    return rows.split(size) if len(rows) else ()


def judged(task: Task, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return classes, which points reach the goal, both `(n,)` on the CPU, and the class count."""
    predictions = torch.full((len(points),), -1)
    won = torch.zeros(len(points), dtype=torch.bool)
    classes = 0
    for part in batches(rows, task.batch_size):
        with torch.no_grad(), task.counting.serving(part):
            there = part.to(points.device)
            logits = task.counting(points[there].to(task.device))
        references = task.references[part.to(task.references.device)].to(logits.device)
        labels = task.labels[part.to(task.labels.device)]
        check_logits(logits, torch.maximum(references.cpu(), labels.cpu()), len(part))
        check_finite(logits, part, task.ids, "logits")
        ahead = lead(logits, references, bool(task.recipe.get("targeted")))
        predictions[part] = logits.argmax(1).cpu()
        won[part] = (ahead > rounding(logits)).cpu()
        classes = logits.shape[1]
    return predictions, won, classes

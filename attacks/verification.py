"""Verification: claims about adversarial examples, checked from the tensors, whoever made them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from attacks.active import check_finite, check_logits
from attacks.inputs import (
    checked_classifier,
    checked_ids,
    checked_images,
    checked_labels,
    checked_tensor,
    device_of,
)
from attacks.norms import NORMS, lengths
from attacks.recipes import Recipe, parse
from core.errors import InputError
from core.models import evaluating

STATUSES = (
    "success",
    "not fooled",
    "wrong length",
    "clean wrong",
    "outside ball",
    "outside box",
    "not finite",
)


def verify(
    classifier: nn.Module,
    images: Tensor,
    adversarial: Tensor,
    labels: Tensor,
    recipe: str | Recipe | None,
    *,
    ids: Sequence[str] | None = None,
    targets: Tensor | None = None,
    radii: Tensor | None = None,
    batch_size: int = 256,
    tolerance: float = 1e-6,
) -> pd.DataFrame:
    """Check adversarial examples against their recipe, one row per example.

    Nothing the attack said is believed: predictions are made anew, distances measured in float64.
    Two forward passes per example.

    Args:
        classifier: images in `[0, 1]` to logits `(n, k)`.
        images: `(n, ...)` the genuine images.
        adversarial: `(n, ...)` what was made of them.
        labels: `(n,)` the true classes.
        recipe: what they claim to be made by: its norm and radius are the ball. None: nobody knows,
            so there is no ball to be in; box, finite values and the change of label are checked.
        ids: one name per example.
        targets: `(n,)`, for a targeted recipe; without a recipe, they say that it was one.
        radii: `(n,)` the lengths that a `noise(like=...)` control was asked for.
        batch_size: the most images evaluated at once.
        tolerance: how far, in input units, a value may be outside the box or a step outside the
            ball, or a control's step differ from its length (in l1 plus the rounding of a sum).

    Returns:
        Columns id, label, (target,) clean_prediction, prediction, clean_confidence, confidence (the
        softmax of the predicted class), clean_correct, finite, inside_box, inside_ball, length_kept
        (of a noise control), label_changed, (target_reached,) linf, l2, l1, l0, and status: the
        first that holds of `not finite`, `outside box`, `outside ball`, `clean wrong`, and then
        `success` or `not fooled`; for the control `noise` instead `success` or `wrong length`: of
        it no change of label is required.

    Raises:
        InputError: an argument cannot be used.
    """
    known = None if recipe is None else parse(recipe)
    checked_classifier(classifier)
    images = checked_images(images)
    labels = checked_labels(labels, len(images), "labels")
    checked_tensor(adversarial, "adversarial")
    names = checked_ids(ids, len(images))
    if adversarial.shape != images.shape:
        raise InputError(
            f"adversarial: expected the images' shape {tuple(images.shape)}, found "
            f"{tuple(adversarial.shape)}."
        )
    if known is not None and not known.get("targeted"):
        targets = None
    elif known is not None and targets is None:
        raise InputError(f"targets: needed to verify the targeted recipe {known}.")
    if targets is not None:
        targets = checked_labels(targets, len(images), "targets")
    adversarial = adversarial.detach()
    finite = torch.isfinite(adversarial).flatten(1).all(1).cpu()
    with torch.inference_mode(False), evaluating(classifier):
        every = torch.ones_like(finite)
        clean_predictions, clean_confidences = _predicted(
            classifier, images, labels, names, every, batch_size
        )
        predictions, confidences = _predicted(
            classifier, adversarial, labels, names, finite, batch_size
        )

    labels = labels.cpu()
    where = geometry(images, adversarial, known, radii=radii, tolerance=tolerance)
    kept = where.pop("length_kept", None)
    table = {
        "id": np.array(names, dtype=object),
        "label": labels.numpy(),
        "clean_prediction": clean_predictions.numpy(),
        "prediction": predictions.numpy(),
        "clean_confidence": clean_confidences.numpy(),
        "confidence": confidences.numpy(),
        "clean_correct": (clean_predictions == labels).numpy(),
        **{key: where.pop(key) for key in ("finite", "inside_box", "inside_ball")},
        "label_changed": (finite & (predictions != labels)).numpy(),
        **where,
    }
    reached = table["label_changed"]
    if targets is not None:
        table["target"] = targets.cpu().numpy()
        reached = table["target_reached"] = (predictions == targets.cpu()).numpy()
    missed = "not fooled"
    if kept is not None:
        reached = table["length_kept"] = kept
        missed = "wrong length"
    table["status"] = np.select(
        [~table["finite"], ~table["inside_box"], ~table["inside_ball"], ~table["clean_correct"]],
        ["not finite", "outside box", "outside ball", "clean wrong"],
        np.where(reached, "success", missed),
    )
    return pd.DataFrame(table)


def geometry(
    images: Tensor,
    adversarial: Tensor,
    recipe: str | Recipe | None,
    *,
    radii: Tensor | None = None,
    tolerance: float = 1e-6,
) -> dict[str, np.ndarray]:
    """Check what needs no classifier: where the examples lie. Arguments are those of `verify`.

    Returns:
        `(n,)` each: finite, inside_box, inside_ball, then linf, l2, l1, l0 in float64, and for a
        noise control length_kept.
    """
    known = None if recipe is None else parse(recipe)
    after = adversarial.detach().cpu().double()
    distances = {norm: lengths(after - images.cpu().double(), norm).numpy() for norm in NORMS}
    excess = (after - 0.5).abs().flatten(1).amax(1) - 0.5
    norm, limits = _ball(known, radii, len(images))
    length = distances[norm]
    found = {
        "finite": torch.isfinite(after).flatten(1).all(1).numpy(),
        "inside_box": (excess <= tolerance).numpy(),
        "inside_ball": length <= limits + tolerance,
        **distances,
    }
    if known is not None and known.name == "noise":
        asked = np.where(np.isfinite(limits), limits, length) if _asked(known, radii) else length
        # In l1 the components' rounding adds up, that of their sum in the attack as well.
        pixels = images.flatten(1).shape[1]
        rounding = torch.finfo(images.dtype).eps * (pixels**0.5 + 8 * length) * (norm == "l1")
        found["length_kept"] = np.abs(length - asked) <= tolerance + rounding
    return found


def _asked(recipe: Recipe, radii: Tensor | None) -> bool:
    """Whether the lengths that a control was asked for are known."""
    return radii is not None or recipe["like"] is None


def _ball(recipe: Recipe | None, radii: Tensor | None, count: int) -> tuple[str, np.ndarray]:
    """The norm and the radius per example; infinite where there is no recipe or it has no ball."""
    if recipe is None:
        return next(iter(NORMS)), np.full(count, np.inf)
    shown = recipe.get("like") or recipe
    if radii is not None:
        return shown["norm"], radii.detach().cpu().double().numpy()
    eps = shown.get("eps")
    return shown["norm"], np.full(count, np.inf if eps is None else eps)


def _predicted(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    which: Tensor,
    batch_size: int,
) -> tuple[Tensor, Tensor]:
    """Class and confidence, `(n,)` each; -1 and NaN for the images that are not asked for."""
    device = device_of(classifier, images)
    predictions = torch.full((len(images),), -1)
    confidences = torch.full((len(images),), float("nan"), dtype=torch.float64)
    for rows in which.nonzero().squeeze(1).split(batch_size):
        with torch.no_grad():
            logits = classifier(images[rows].to(device))
        check_logits(logits, labels[rows], len(rows))
        check_finite(logits, rows, ids, "logits")
        best = torch.softmax(logits.cpu().double(), 1).max(1)
        confidences[rows] = best.values
        predictions[rows] = logits.argmax(1).cpu()
    return predictions, confidences

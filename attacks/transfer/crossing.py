"""Transfer on tensors: examples crafted on each classifier, tried on every one.

The steps of a study, each a function from tensors and tables to a table: `looked_at` what the
classifiers say of the genuine images, `crafted_on` one of them, `judged_by` one of them, `joined`
into one row per recipe, source, victim and image. `transfer` does them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from attacks.active import check_finite, check_logits
from attacks.crafting import craft_all
from attacks.inputs import (
    checked_classifier,
    checked_ids,
    checked_images,
    checked_labels,
    device_of,
)
from attacks.norms import unit
from attacks.objectives import log_odds
from attacks.recipes import Recipe, parse
from attacks.tables import IMAGE, images_of, with_images
from attacks.transfer.recipes import base, within_budget
from attacks.verification import geometry
from core.errors import InputError
from core.losses import margin
from core.models import evaluating
from core.options import split_list

VALID = "valid"


def transfer(
    classifiers: Mapping[str, nn.Module],
    images: Tensor,
    labels: Tensor,
    recipes: Iterable[str | Recipe],
    seed: int = 0,
    *,
    ids: Sequence[str] | None = None,
    gradients: int | None = None,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Craft on every classifier what all of them get right, and let every one judge it.

    Args:
        classifiers: name -> images in `[0, 1]` to logits `(n, k)`; two or more, the same classes.
        images: `(n, c, h, w)` in `[0, 1]`.
        labels: `(n,)` the true classes.
        recipes: such as `pgd(eps=8/255, stop=false)`. An example that stops at its first success
            lies at the boundary of its source, and transfers little.
        seed: of the random numbers.
        ids: one name per image.
        gradients: the budget: the most gradients that a recipe may spend on an image. Recipes that
            leave their steps open take as many as it allows. None: whatever each asks for.
        batch_size: the most images evaluated at once.

    Returns:
        One row per recipe, source, victim and image that every classifier gets right (none where
        there is no such image): id, label, recipe, source, victim, clean_correct, fooled (valid,
        and the victim's prediction is not the label), prediction, confidence (softmax of the
        predicted class) and margin (logits, positive where fooled) of the victim there; status
        (`valid`, or why not), linf, l2, forwards, backwards of the example; and of the genuine
        image source_confidence, source_margin, victim_confidence, victim_margin, and alignment, the
        cosine of both classifiers' gradients of the log-odds against the label; of the adversarial
        one source_fooled, source_adversarial_confidence and source_adversarial_margin.

    Raises:
        InputError: an argument cannot be used, or a recipe spends more than the budget.

    Cost: for c classifiers, c forward and backward passes per image, what the recipes cost, and one
    forward pass per example and classifier.

    >>> from core import load_classifier, load_images
    >>> nets = {name: load_classifier(name) for name in ("digits_convnet", "digits_mlp")}
    >>> table = transfer(nets, *load_images("digits").subset(20).tensors(), ["fgsm(eps=0.2)"])
    >>> table.groupby(["source", "victim"])["fooled"].mean().round(1).shape
    (4,)
    """
    images = checked_images(images)
    labels = checked_labels(labels, len(images), "labels")
    names = checked_ids(ids, len(images))
    if not isinstance(classifiers, Mapping):
        raise InputError(
            "classifiers: expected names and classifiers, such as {'a': net, 'b': another}, found "
            f"{type(classifiers).__name__}."
        )
    for classifier in classifiers.values():
        checked_classifier(classifier)
    wanted = split_list(recipes, "recipes") if isinstance(recipes, str) else list(recipes)
    if not wanted:
        raise InputError("recipes: give at least one.")
    if len(classifiers) < 2:
        raise InputError(f"classifiers: expected 2 or more, found {len(classifiers)}.")
    if gradients is None:
        chosen = [parse(r, argument="recipes") for r in wanted]
    else:
        chosen = within_budget([str(r) for r in wanted], gradients)
    clean = looked_at(classifiers, images, labels, names, batch_size=batch_size)
    right = right_everywhere(clean, names)
    rows = torch.tensor([i for i, name in enumerate(names) if name in right], dtype=torch.int64)
    crafted, judged = [], []
    for name, classifier in classifiers.items():
        made = crafted_on(
            classifier,
            images[rows],
            labels[rows],
            right,
            chosen,
            seed=seed,
            gradients=gradients,
            batch_size=batch_size,
        )
        crafted.append(made.assign(source=name))
        judged += [
            judged_by(victim, made, images.shape[1:], batch_size=batch_size, like=images).assign(
                source=name, victim=judge
            )
            for judge, victim in classifiers.items()
        ]
    return joined(clean, pd.concat(crafted), pd.concat(judged), right, [str(r) for r in chosen])


def looked_at(
    classifiers: Mapping[str, nn.Module],
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    *,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Ask every classifier about the genuine images, one row per classifier and image.

    Columns id, label, classifier, prediction, confidence, margin, correct, gradient_l2, and
    `alignment@NAME` for every classifier: the cosine of the two gradients of the log-odds against
    the label with respect to the image, whose direction is that of the cross-entropy's; NaN where a
    gradient vanishes. One forward and one backward pass per classifier and image.
    """
    parts = []
    for rows in torch.arange(len(images)).split(batch_size):
        own, found = [ids[int(i)] for i in rows], {}
        for name, classifier in classifiers.items():
            found[name] = _climbed(classifier, images[rows], labels[rows], own)
        units = {name: unit(gradients) for name, (gradients, _) in found.items()}
        for name, (gradients, answers) in found.items():
            length = gradients.norm(dim=1)
            table = pd.DataFrame(
                {"id": own, "label": labels[rows].cpu().numpy(), "classifier": name, **answers}
            )
            table["correct"] = table["prediction"] == table["label"]
            table["gradient_l2"] = length.numpy()
            for other, theirs in units.items():
                cosine = (units[name] * theirs).sum(1)
                silent = (length == 0) | (found[other][0].norm(dim=1) == 0)
                table[f"alignment@{other}"] = cosine.masked_fill(silent, float("nan")).numpy()
            parts.append(table)
    whole = pd.concat(parts, ignore_index=True)
    order = {name: i for i, name in enumerate(classifiers)}
    return whole.sort_values("classifier", key=lambda c: c.map(order), kind="stable").reset_index(
        drop=True
    )


def right_everywhere(clean: pd.DataFrame, ids: Sequence[str]) -> list[str]:
    """Return the ids of the images that every classifier gets right, in the order given."""
    right = clean.groupby("id")["correct"].all()
    return [name for name in ids if bool(right[name])]


def crafted_on(
    source: nn.Module,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    recipes: Sequence[Recipe],
    *,
    seed: int = 0,
    gradients: int | None = None,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Craft by several recipes on one classifier, one row per recipe and image, with the pixels.

    Columns recipe, id, label, status (`valid`, or what the example is instead), linf, l2,
    forwards, backwards, image. Controls reuse the recipe that they are like.

    Raises:
        InputError: a recipe has spent more gradients on an image than the budget allows.
    """
    parts = []
    made = craft_all(source, images, labels, recipes, seed, ids=ids, batch_size=batch_size)
    for recipe, examples in zip(recipes, made, strict=True):
        spent = examples.backwards
        if gradients is not None and len(spent) and int(spent.max()) > gradients:
            raise InputError(
                f"--gradients: {recipe} has spent {int(spent.max())} on an image, more than "
                f"{gradients}."
            )
        where = geometry(images, examples.images, recipe, radii=examples.radii)
        table = pd.DataFrame(
            {
                "recipe": str(recipe),
                "id": list(ids),
                "label": labels.cpu().numpy(),
                "status": np.select(
                    [~where["finite"], ~where["inside_box"], ~where["inside_ball"]],
                    ["not finite", "outside box", "outside ball"],
                    VALID,
                ).astype(object),
                "linf": where["linf"],
                "l2": where["l2"],
                "forwards": examples.forwards.cpu().numpy(),
                "backwards": examples.backwards.cpu().numpy(),
            }
        )
        parts.append(with_images(table, examples.images))
    return pd.concat(parts, ignore_index=True)


def judged_by(
    victim: nn.Module,
    crafted: pd.DataFrame,
    shape: Sequence[int],
    *,
    batch_size: int = 256,
    like: Tensor | None = None,
) -> pd.DataFrame:
    """Forward crafted examples once, all recipes in one row of batches.

    Args:
        victim: images to logits.
        crafted: with recipe, id, label, status and image; other columns but the pixels are kept.
        shape: of an image.
        batch_size: the most images evaluated at once.
        like: a tensor of the type that the classifier computes in; float32 if not given.

    Returns:
        The table's recipe, id (and source, where it has one), with fooled, prediction, confidence,
        margin; of an example that is not finite prediction -1 and the rest NaN.
    """
    keys = [name for name in ("recipe", "source", "id") if name in crafted]
    parts = []
    with torch.inference_mode(False), evaluating(victim):
        for start in range(0, len(crafted), batch_size):
            rows = crafted.iloc[start : start + batch_size]
            points = images_of(rows, shape)
            points = points if like is None else points.to(like.dtype)
            labels = torch.tensor(rows["label"].to_numpy("int64"))
            parts.append(_answers(victim, points, labels, list(rows["id"])))
    answers = {
        key: np.concatenate([part[key] for part in parts]) if parts else np.empty(0)
        for key in ("prediction", "confidence", "margin")
    }
    table = crafted[keys].reset_index(drop=True).assign(**answers)
    changed = table["prediction"].to_numpy() != crafted["label"].to_numpy()
    table.insert(len(keys), "fooled", changed & (crafted["status"] == VALID).to_numpy())
    return table.astype({"prediction": "int64"})


def joined(
    clean: pd.DataFrame,
    crafted: pd.DataFrame,
    judged: pd.DataFrame,
    ids: Sequence[str],
    recipes: Sequence[str],
) -> pd.DataFrame:
    """Join what was found into the table that `transfer` returns.

    Args:
        clean: what `looked_at` returned.
        crafted: what `crafted_on` returned, with a column source.
        judged: what `judged_by` returned, with columns source and victim.
        ids: the images that every classifier gets right, in order.
        recipes: in order.
    """
    names = list(dict.fromkeys(clean["classifier"]))
    made = crafted.drop(columns=IMAGE, errors="ignore")
    table = judged.merge(made, on=["recipe", "source", "id"], validate="many_to_one")
    for role in ("source", "victim"):
        own = clean[["classifier", "id", "confidence", "margin"]]
        own = own.rename(columns={"classifier": role, "confidence": f"{role}_confidence",
                                  "margin": f"{role}_margin"})  # fmt: skip
        table = table.merge(own, on=[role, "id"], validate="many_to_one")
    cosines = clean.melt(
        ["classifier", "id"],
        [f"alignment@{name}" for name in names],
        "victim",
        "alignment",
    ).rename(columns={"classifier": "source"})
    cosines["victim"] = cosines["victim"].str.removeprefix("alignment@")
    table = table.merge(cosines, on=["source", "victim", "id"], validate="many_to_one")
    white = table[table["source"] == table["victim"]]
    white = white[["recipe", "source", "id", "fooled", "confidence", "margin"]].rename(
        columns={
            "fooled": "source_fooled",
            "confidence": "source_adversarial_confidence",
            "margin": "source_adversarial_margin",
        }
    )
    table = table.merge(white, on=["recipe", "source", "id"], validate="many_to_one")
    table["clean_correct"] = True
    order = {"recipe": recipes, "source": names, "victim": names, "id": ids}
    ranks = pd.DataFrame(
        {key: table[key].map({v: i for i, v in enumerate(values)}) for key, values in order.items()}
    )
    table = table.loc[ranks.sort_values(list(order)).index].reset_index(drop=True)
    return table[list(COLUMNS)]


COLUMNS = (
    "id", "label", "recipe", "source", "victim", "clean_correct", "fooled", "prediction",
    "confidence", "margin", "status", "linf", "l2", "forwards", "backwards", "source_confidence",
    "source_margin", "victim_confidence", "victim_margin", "alignment", "source_fooled",
    "source_adversarial_confidence", "source_adversarial_margin",
)  # fmt: skip
"""Of the table that `transfer` returns."""


def families(recipes: Sequence[Recipe]) -> dict[Recipe, list[Recipe]]:
    """Return the recipes grouped by what is crafted: each attack with the controls like it."""
    grouped: dict[Recipe, list[Recipe]] = {}
    for recipe in recipes:
        grouped.setdefault(base(recipe), []).append(recipe)
    return grouped


def _climbed(
    classifier: nn.Module, images: Tensor, labels: Tensor, ids: Sequence[str]
) -> tuple[Tensor, dict[str, np.ndarray]]:
    """Return the gradients of the log-odds, `(n, d)` float64 on the CPU, and the answers."""
    device = device_of(classifier, images)
    points, aims = images.detach().to(device).requires_grad_(), labels.to(device)
    with torch.inference_mode(False), evaluating(classifier), torch.enable_grad():
        logits = classifier(points)
        check_logits(logits, labels, len(images))
        rows = torch.arange(len(images))
        check_finite(logits.detach(), rows, ids, "logits")
        odds = log_odds(logits, aims)
        if not odds.requires_grad:
            raise InputError("--model: its logits are not a differentiable function of the image.")
        (gradients,) = torch.autograd.grad(odds.sum(), points)
        check_finite(gradients, rows, ids, "input gradient")
    return gradients.detach().cpu().double().flatten(1), _described(logits.detach(), aims)


def _answers(
    classifier: nn.Module, points: Tensor, labels: Tensor, ids: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return what the classifier says of the points; -1 and NaN where they are not finite."""
    device = device_of(classifier, points)
    finite = torch.isfinite(points).flatten(1).all(1)
    with torch.no_grad():
        logits = classifier(points.nan_to_num(0, 0, 0).to(device))
    check_logits(logits, labels, len(points))
    check_finite(logits, torch.arange(len(points)), ids, "logits")
    found = _described(logits, labels.to(device))
    found["prediction"] = np.where(finite, found["prediction"], -1)
    for key in ("confidence", "margin"):
        found[key] = np.where(finite, found[key], np.nan)
    return found


def _described(logits: Tensor, labels: Tensor) -> dict[str, np.ndarray]:
    """Return prediction, its confidence, and the margin against the label, `(n,)` each."""
    wide = logits.cpu().double()
    return {
        "prediction": logits.argmax(1).cpu().numpy(),
        "confidence": torch.softmax(wide, 1).amax(1).numpy(),
        "margin": margin(wide, labels.cpu()).numpy(),
    }

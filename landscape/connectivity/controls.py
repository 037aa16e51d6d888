"""Controls of genuine-adversarial pairs: is it the deceit, or only the confidence or the length?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import generator, normal
from landscape.balls import Ball
from landscape.connectivity.pairs import Group, Pairs
from landscape.loss import Loss
from landscape.push import pushed_to
from landscape.rows import Rows


def same_class_control(
    loss: Loss, pairs: Pairs, genuine: Group, *, steps: int = 30, seed: int = 0,
    batch_size: int = 256,
) -> Pairs:  # fmt: skip
    """Replace the second, adversarial images by genuine ones of the class, pushed to equal loss.

    What is special about an adversarial end may be its confidence only. So each gives way to a
    genuine image of the pair's class, which shortest gradient steps (`push.Push`), up or down, take
    to the loss of the adversarial image: the same class, the same confidence, the same kind of
    perturbation, but no deceit.

    Args:
        loss: the cross-entropy of the pairs' classes.
        pairs: whose second images are replaced.
        genuine: where the new ones come from: not the first image of the pair, at random.
        steps: at most this many gradients per pair.
        seed: with the pair's id, names the choice.
        batch_size: rows per pass.

    Raises:
        InputError: a class with one genuine image only.

    Cost: at most `steps` gradients per pair.
    """
    chosen = torch.tensor(_replacements(pairs, genuine, seed))
    level = Rows(loss, len(pairs), batch_size).values(pairs.second, torch.arange(len(pairs)))
    points = pushed_to(loss, genuine.images[chosen], level, steps=steps, batch_size=batch_size)
    names = [genuine.ids[int(i)] for i in chosen]
    return replace(pairs, kind="same-class control", second=points, ids=_ids(pairs, names))


def noise_control(pairs: Pairs, genuine: Group, lengths: Tensor, *, seed: int = 0) -> Pairs:
    """Replace the second images by genuine ones of the class with a random step added.

    Args:
        pairs: whose second images are replaced.
        genuine: where the new ones come from: not the first image of the pair, at random.
        lengths: of the steps in l2, `(n,)`: those of the adversarial perturbations. The step is
            Gaussian in direction and has this length after being cut to [0, 1].
        seed: with the pair's id, names choice and step.

    Raises:
        InputError: a class with one genuine image only, or not one length per pair.
    """
    if lengths.shape != (len(pairs),):
        raise InputError(f"lengths: expected one per pair ({len(pairs)}), found {len(lengths)}.")
    chosen = _replacements(pairs, genuine, seed)
    points = genuine.images[torch.tensor(chosen)].detach().clone()
    for i, name in enumerate(pairs.ids):
        if lengths[i] > 0:
            noise = normal([generator(seed, name, "noise control")], points.shape[1:], points)
            ball = Ball(points[i : i + 1], "l2", float(lengths[i]), (0.0, 1.0))
            points[i] = ball.farthest(noise)[0]
    names = [genuine.ids[i] for i in chosen]
    return replace(pairs, kind="noise control", second=points, ids=_ids(pairs, names))


def _replacements(pairs: Pairs, genuine: Group, seed: int) -> list[int]:
    """Return a genuine image of the class for each pair that is not one of its own."""
    chosen = []
    for name, label in zip(pairs.ids, pairs.labels.tolist(), strict=True):
        ends = name.split(">")
        fit = [i for i, c in enumerate(genuine.classes.tolist())
               if c == label and genuine.ids[i] not in ends]  # fmt: skip
        if not fit:
            raise InputError(f"control: no other genuine image of class {label} for pair {name}.")
        chosen.append(fit[int(generator(seed, name, "replacement").integers(len(fit)))])
    return chosen


def _ids(pairs: Pairs, seconds: Sequence[str]) -> tuple[str, ...]:
    """Return the pairs' ids with other second images."""
    firsts = [name.split(">")[0] for name in pairs.ids]
    return tuple(f"{a}>{b}" for a, b in zip(firsts, seconds, strict=True))

"""Pairs of images of one class, genuine and adversarial (`controls` holds their controls).

The class of a pair is the one that *both* its ends are assigned to, and the loss along a path is
the cross-entropy of that class. So an adversarial example that is taken for class `c` goes with a
genuine image of `c`, not with the image it was made from. That image, its twin, is of another
class: its loss for `c` is high and, since a barrier counts from the larger end, says little.
`twins` builds those pairs all the same; their barrier tells whether the way out of the adversarial
example's region climbs above the twin itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import generator
from landscape.loss import example_ids


@dataclass(frozen=True)
class Group:
    """Images of which pairs are made, each with the class that the classifier assigns to it.

    Attributes:
        images: `(n, ...)`, pixels in [0, 1].
        classes: `(n,)` integers, the predictions.
        ids: one name per image. An adversarial example has the name of its twin: no pair is made
            of two images of one name, except by `twins`.
    """

    images: Tensor
    classes: Tensor
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def known(self) -> list[tuple[str, int]]:
        """The id and the class of each image."""
        return list(zip(self.ids, self.classes.tolist(), strict=True))

    def select(self, keep: Tensor) -> Group:
        """Return the images at these places `(k,)`, integers."""
        names = tuple(self.ids[int(i)] for i in keep)
        return Group(self.images[keep], self.classes[keep], names)


@dataclass(frozen=True)
class Pairs:
    """Pairs of images with the class both are to be seen as.

    Attributes:
        kind: `genuine-genuine`, `genuine-adversarial`, `adversarial-adversarial`, `twins`,
            `same-class control` or `noise control`.
        first: `(n, ...)`.
        second: `(n, ...)`.
        labels: `(n,)`, the classes.
        ids: `first>second`, one per pair.
    """

    kind: str
    first: Tensor
    second: Tensor
    labels: Tensor
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.first)


def genuine(
    images: Tensor, labels: Tensor, predictions: Tensor, ids: Sequence[str] | None = None
) -> Group:
    """Return the images that are classified correctly."""
    names = _names(images, predictions, ids)
    return Group(images, labels, names).select((predictions == labels).nonzero().squeeze(1))


def adversarial(
    images: Tensor,
    labels: Tensor,
    predictions: Tensor,
    success: Tensor,
    ids: Sequence[str] | None = None,
) -> Group:
    """Return the adversarial images that succeeded, with the classes they are taken for.

    Args:
        images: adversarial images `(n, ...)`.
        labels: true classes `(n,)`.
        predictions: for the adversarial images, `(n,)`.
        success: right before and fooled now, `(n,)` booleans (`attacks.Crafted.success`).
        ids: names of the images they were made from.
    """
    names = _names(images, predictions, ids)
    fooled = success & (predictions != labels)
    return Group(images, predictions, names).select(fooled.nonzero().squeeze(1))


def genuine_genuine(group: Group, pairs: int = 50, *, seed: int = 0) -> Pairs:
    """Pair genuine images of one class, as `matched` does."""
    return matched("genuine-genuine", group, group, pairs, seed=seed)


def genuine_adversarial(
    genuine: Group, adversarial: Group, pairs: int = 50, *, seed: int = 0
) -> Pairs:
    """Pair each adversarial image with a genuine one of the class it is taken for."""
    return matched("genuine-adversarial", genuine, adversarial, pairs, seed=seed)


def adversarial_adversarial(group: Group, pairs: int = 50, *, seed: int = 0) -> Pairs:
    """Pair adversarial images that are taken for one class."""
    return matched("adversarial-adversarial", group, group, pairs, seed=seed)


def matched(kind: str, first: Group, second: Group, pairs: int, *, seed: int = 0) -> Pairs:
    """Pair images of equal class, at random, no two of one name and no pair twice.

    The images of `second` take turns, so that none serves twice before each that has a partner left
    has served; its partner is the one in `first` of that class that served least.

    Raises:
        InputError: fewer than one pair is asked for, or none exists.
    """
    if pairs < 1:
        raise InputError(f"pairs: expected at least 1, found {pairs}.")
    own = first is second
    found = places(kind, first.known, None if own else second.known, pairs, seed=seed)
    if not found:
        raise InputError(f"pairs: no two images of one class for {kind} pairs.")
    return _paired(kind, first, second, found)


Known = Sequence[tuple[str, int]]
"""Images by what is known of them: id and class."""


def places(
    kind: str, first: Known, second: Known | None, pairs: int, *, seed: int = 0
) -> list[tuple[int, int]]:
    """Choose pairs as `matched` does, from ids and classes alone.

    Args:
        kind: of pair: names the choice, with the seed and the ids.
        first: ids and classes, `(n,)`.
        second: of the other images; None: pairs are made within `first`.
        pairs: at most so many.
        seed: of the choice.

    Returns:
        The places of the two images of each pair; fewer than `pairs`, or none, where there are no
        more.

    >>> sorted(places("genuine-genuine", [("a", 0), ("b", 1), ("c", 0)], None, 5)[0])
    [0, 2]
    """
    side = 0 if second is None else 1
    others = first if second is None else second
    rank = [float(generator(seed, f"{kind}/first/{i}", "pairs").random()) for i, _ in first]
    turn = [float(generator(seed, f"{kind}/second/{i}", "pairs").random()) for i, _ in others]
    of_class: dict[int, list[int]] = {}
    for place, (_, own) in enumerate(first):
        of_class.setdefault(int(own), []).append(place)
    served = [0] * len(first)
    taken: set[frozenset[tuple[str, int]]] = set()
    found: list[tuple[int, int]] = []
    queue = sorted(range(len(others)), key=turn.__getitem__)
    while queue and len(found) < pairs:
        left = []
        for j in queue:
            name, own = others[j]
            partners = [
                i
                for i in of_class.get(int(own), [])
                if first[i][0] != name and frozenset([(first[i][0], 0), (name, side)]) not in taken
            ]
            if not partners or len(found) == pairs:
                continue
            i = min(partners, key=lambda i: (served[i], rank[i]))
            served[i] += 1
            if second is None:
                served[j] += 1
            taken.add(frozenset([(first[i][0], 0), (name, side)]))
            found.append((i, j))
            left.append(j)
        queue = left
    return found


def twins(genuine: Group, adversarial: Group) -> Pairs:
    """Pair each adversarial image with its twin, for the class that the former is taken for.

    Raises:
        InputError: an adversarial image has no twin.
    """
    place = {name: i for i, name in enumerate(genuine.ids)}
    missing = [name for name in adversarial.ids if name not in place]
    if missing:
        raise InputError(f"twins: no genuine image is called '{missing[0]}'.")
    found = [(place[name], j) for j, name in enumerate(adversarial.ids)]
    return _paired("twins", genuine, adversarial, found)


def _paired(kind: str, first: Group, second: Group, found: list[tuple[int, int]]) -> Pairs:
    left, right = torch.tensor(found).T
    names = tuple(f"{first.ids[i]}>{second.ids[j]}" for i, j in found)
    return Pairs(kind, first.images[left], second.images[right], second.classes[right], names)


def _names(images: Tensor, predictions: Tensor, ids: Sequence[str] | None) -> tuple[str, ...]:
    """Return ids as strings.

    Raises:
        InputError: not one prediction or id per image, or a name has the sign that joins a pair.
    """
    if predictions.shape != (len(images),):
        found = tuple(predictions.shape)
        raise InputError(f"predictions: expected one per image ({len(images)}), found {found}.")
    names = example_ids(ids, len(images))
    for name in names:
        if ">" in name:
            raise InputError(f"ids: expected names without '>', found '{name}'.")
    return tuple(names)

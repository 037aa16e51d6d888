"""The kinds of pair that a study joins, chosen from what is known of the images."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from landscape.connectivity.pairs import Known, places

GENUINE = "genuine-genuine"
MIXED = "genuine-adversarial"
ADVERSARIAL = "adversarial-adversarial"
SAME_CLASS = "same-class control"
NOISE = "noise control"
TWINS = "twins"
KINDS = (GENUINE, MIXED, ADVERSARIAL, SAME_CLASS, NOISE, TWINS)


def within_genuine(genuine: Known, pairs: int, *, seed: int = 0) -> pd.DataFrame:
    """Return genuine-genuine pairs: `kind`, `number`, `class`, `first`, `second` (ids), `donor`."""
    found = places(GENUINE, genuine, None, pairs, seed=seed)
    return _table(GENUINE, [(genuine[i], genuine[j], "") for i, j in found])


def of_attack(
    genuine: Known, fooled: Known, donors: dict[str, str], pairs: int, *, seed: int = 0
) -> pd.DataFrame:
    """Return the pairs of every kind that an attack's examples are in, columns as above.

    The controls keep the first image of a genuine-adversarial pair. The second of the same-class
    control is the adversarial example's control image, where it has one that was not made from the
    first image; it goes by the example's id, and `donor` is what it was made from. The noise
    control needs another genuine image of the class; which, `controls.noise_control` says.

    Args:
        genuine: id and class of the images that are classified correctly.
        fooled: id of each example that succeeded, and the class it is taken for.
        donors: the id of the image that each example's same-class control is made from.
        pairs: of each kind, at most.
        seed: of the choice.
    """
    mixed = [(genuine[i], fooled[j]) for i, j in places(MIXED, genuine, fooled, pairs, seed=seed)]
    within = places(ADVERSARIAL, fooled, None, pairs, seed=seed)
    there = {name for name, _ in genuine}
    of_class = Counter(own for _, own in genuine)
    return pd.concat(
        [
            _table(MIXED, [(a, b, "") for a, b in mixed]),
            _table(ADVERSARIAL, [(fooled[i], fooled[j], "") for i, j in within]),
            _table(
                SAME_CLASS,
                [(a, b, donors[b[0]]) for a, b in mixed if donors.get(b[0], a[0]) != a[0]],
            ),
            _table(NOISE, [(a, b, "") for a, b in mixed if of_class[a[1]] > 1]),
            _table(TWINS, [(end, end, "") for end in fooled if end[0] in there][:pairs]),
        ],
        ignore_index=True,
    )


def _table(kind: str, found: list[tuple[tuple[str, int], tuple[str, int], str]]) -> pd.DataFrame:
    """Return pairs as a table: two images, and what the second was made from, each."""
    return pd.DataFrame(
        {
            "kind": pd.Series([kind] * len(found), dtype=object),
            "number": range(len(found)),
            "class": pd.Series([int(b[1]) for _, b, _ in found], dtype="int64"),
            "first": pd.Series([a[0] for a, _, _ in found], dtype=object),
            "second": pd.Series([b[0] for _, b, _ in found], dtype=object),
            "donor": pd.Series([donor for _, _, donor in found], dtype=object),
        }
    )

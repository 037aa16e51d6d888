"""The table of transfer as cells: one column of images per (recipe, source, victim)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.errors import InputError, unknown_name

ALL = "all"
"""Stands for all ordered pairs of different classifiers, in the columns `source` and `victim`."""

OTHERS = "others"
"""Stands for every victim but the source."""

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Cells:
    """Outcomes of n images in c cells; images are in the order of their ids.

    Attributes:
        ids: `(n,)`.
        labels: `(n,)`.
        keys: (recipe, source, victim) of each cell; recipes and classifiers in the order in which
            they first appear in the table.
        fooled: `(n, c)`; False where an image is not in the cell.
        present: `(n, c)`, whether the image is in the cell.
        prediction: `(n, c)`; -1 where it is not.
    """

    ids: np.ndarray
    labels: np.ndarray
    keys: list[Key]
    fooled: np.ndarray
    present: np.ndarray
    prediction: np.ndarray

    @property
    def recipes(self) -> list[str]:
        """Recipes in order."""
        return list(dict.fromkeys(recipe for recipe, _, _ in self.keys))

    def of_recipe(self, recipe: str) -> list[int]:
        """Return the columns of a recipe; refuse one that the table does not hold."""
        if recipe not in self.recipes:
            raise unknown_name("recipe", recipe, self.recipes)
        return [i for i, key in enumerate(self.keys) if key[0] == recipe]


def cells_of(table: pd.DataFrame) -> Cells:
    """Return the table's outcomes as arrays.

    Args:
        table: one row per (recipe, source, victim, id), with `label`, `fooled` and `prediction`.

    Raises:
        InputError: no row, a column missing, a row twice, or an image with two labels.
    """
    wanted = ["id", "label", "recipe", "source", "victim", "fooled", "prediction"]
    if missing := [name for name in wanted if name not in table]:
        raise InputError(f"table: the column {missing[0]!r} is missing; it needs {wanted}.")
    if table.empty:
        raise InputError("table: it has no row, so there is nothing to compare.")
    ids, row = np.unique(table["id"].to_numpy(dtype=str), return_inverse=True)
    names = [[str(x) for x in table[c]] for c in ("recipe", "source", "victim")]
    recipes = list(dict.fromkeys(names[0]))
    classifiers = list(dict.fromkeys([*names[1], *names[2]]))
    order = [{name: i for i, name in enumerate(part)} for part in (recipes, classifiers)]
    parts = [
        np.array([places[name] for name in column])
        for places, column in zip((order[0], order[1], order[1]), names, strict=True)
    ]
    k = len(classifiers)
    codes, cell = np.unique((parts[0] * k + parts[1]) * k + parts[2], return_inverse=True)
    keys = [
        (recipes[code // (k * k)], classifiers[code // k % k], classifiers[code % k])
        for code in codes.tolist()
    ]
    shape = (len(ids), len(keys))
    if len(np.unique(row * len(keys) + cell)) < len(table):
        raise InputError("table: some (recipe, source, victim, id) has more than one row.")
    label = table["label"].to_numpy(dtype=np.int64)
    labels = np.zeros(len(ids), dtype=np.int64)
    labels[row] = label
    if (labels[row] != label).any():
        raise InputError("table: an image has two labels; ids must be unique to an image.")
    fooled, present = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    prediction = np.full(shape, -1, dtype=np.int64)
    fooled[row, cell] = table["fooled"].to_numpy(dtype=bool)
    present[row, cell] = True
    prediction[row, cell] = table["prediction"].to_numpy(dtype=np.int64)
    return Cells(ids, labels, keys, fooled, present, prediction)


def groups_of(pairs: list[tuple[str, str]]) -> dict[tuple[str, str], list[int]]:
    """Return which (source, victim) pairs each mean is over: every source's others, and all.

    >>> groups_of([("a", "a"), ("a", "b"), ("b", "a")])
    {('a', 'others'): [1], ('b', 'others'): [2], ('all', 'all'): [1, 2]}
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for i, (source, victim) in enumerate(pairs):
        if source != victim:
            groups.setdefault((source, OTHERS), []).append(i)
    if groups:
        groups[ALL, ALL] = sorted(i for members in groups.values() for i in members)
    return groups

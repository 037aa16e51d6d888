"""AutoAttack: four parameter-free attacks, each on the examples that those before left.

Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks", in the `standard` version of the authors' code: APGD on the cross-entropy,
targeted APGD on the difference of logits ratio, targeted FAB, and the Square Attack. A part makes
of an example what its own recipe alone would make of it.

Where a classifier has fewer than ten classes, the targeted parts aim at all that there are besides
the label; with fewer than four, the targeted loss is divided by what it can be, see `attacks.dlr`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from attacks import apgd, fab, square
from attacks.active import Outcome
from attacks.counting import Counting
from attacks.recipes import Recipe, parse
from attacks.task import Task
from core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from attacks.crafting import Crafted

PARTS: dict[str, Callable[[Task], Outcome]] = {
    "apgd-ce": apgd.make,
    "apgd-t": apgd.make,
    "fab-t": fab.make,
    "square": square.make,
}
"""What makes the examples of each part, by its published name, in the published order."""


def parts(recipe: Recipe) -> dict[str, Recipe]:
    """Return the recipes of the four parts, by their published names, in their order.

    >>> [str(part) for part in parts(parse("autoattack(eps=8/255)")).values()][0]
    'apgd(norm=linf, eps=8/255, steps=100)'
    """
    ball = f"norm={recipe['norm']}, eps={recipe['eps']!r}"
    steps, targets, queries = (recipe[key] for key in ("steps", "targets", "queries"))
    aimed = f"{ball}, steps={steps}, targets={targets}"
    written = {
        "apgd-ce": f"apgd({ball}, steps={steps})",
        "apgd-t": f"apgdt({aimed})",
        "fab-t": f"fab({aimed})",
        "square": f"square({ball}, queries={queries})",
    }
    return {name: parse(written[name]) for name in PARTS}


def make(task: Task) -> Outcome:
    """Make the examples of an `autoattack` recipe.

    What no part fools is what the first part made of it.
    """
    made: Outcome | None = None
    left = torch.arange(len(task.images))
    for number, (name, recipe) in enumerate(parts(task.recipe).items()):
        found = _on(task, left, recipe, PARTS[name])
        if made is None:
            broken_by = torch.where(found.success, number, -1)
            made = replace(found, broken_by=broken_by)
            left = (~found.success & (found.clean_predictions == task.labels)).nonzero().squeeze(1)
        else:
            assert made.broken_by is not None
            rows = left.to(made.success.device)[found.success]
            made.images[rows] = found.images[found.success]
            made.predictions[rows] = found.predictions[found.success]
            made.success[rows] = True
            made.broken_by[rows] = number
            left = left[~found.success]
        left = left.cpu()
        if not len(left):
            break
    assert made is not None
    return made


def autoattack_components(crafted: Crafted) -> pd.DataFrame:
    """What each part of an AutoAttack added, one row per part in their order.

    Args:
        crafted: the examples of an `autoattack` recipe.

    Returns:
        Columns part, attacked (examples that were left for it), fooled (by it), and robust_accuracy
        (the share of all examples that are classified correctly after it).

    Raises:
        InputError: another attack has made the examples.
    """
    import pandas as pd

    if crafted.broken_by is None:
        raise InputError(
            f"crafted: expected the examples of an autoattack, found {crafted.recipe}."
        )
    left, rows = int(crafted.clean_correct.sum()), []
    for number, part in enumerate(PARTS):
        fooled = int((crafted.broken_by == number).sum())
        share = (left - fooled) / max(len(crafted), 1)
        rows.append({"part": part, "attacked": left, "fooled": fooled, "robust_accuracy": share})
        left -= fooled
    return pd.DataFrame(rows)


def _on(
    task: Task, rows: torch.Tensor, recipe: Recipe, maker: Callable[[Task], Outcome]
) -> Outcome:
    """What a part makes of some of the examples; its passes count for them."""
    counting = Counting(task.counting.classifier, len(rows))
    here = rows.to(task.images.device)
    outcome = maker(
        replace(
            task,
            recipe=recipe,
            counting=counting,
            images=task.images[here],
            labels=task.labels[here],
            references=task.references[here],
            ids=tuple(task.ids[row] for row in rows.tolist()),
        )
    )
    task.counting.forwards.index_add_(0, rows, counting.forwards)
    task.counting.backwards.index_add_(0, rows, counting.backwards)
    return outcome

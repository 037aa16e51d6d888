"""Ways of several recipes from one image, in the plane that they have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from attacks import craft
from core.randomness import generator
from landscape.loss import Loss
from landscape.noise.planes import grid_around, loss_on, principal_plane, share_by_chance

WAY, GRID = "way", "grid"
SIDE = 49
"""Lines of the grid on which the loss is evaluated, in either direction."""


def drawn_ways(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipes: Sequence[str],
    count: int,
    *,
    ids: Sequence[str],
    seed: int = 0,
    batch_size: int = 256,
    side: int = SIDE,
) -> pd.DataFrame:
    """Craft by several recipes and project some examples' ways on their common principal plane.

    The plane of an example is spanned by the points of all recipes together, minus the image (see
    `planes.principal_plane`), each recipe with the same weight per point. All images are crafted,
    so that batches, and with them the last bits, are those of a study; the points of a few are
    kept: the first that the classifier gets right.

    Args:
        classifier: images to logits; frozen, in eval mode.
        images: `(n, c, h, w)`.
        labels: `(n,)` the true classes.
        recipes: whose ways can be recorded.
        count: examples that are drawn, at most.
        ids: names of the examples.
        seed: of the recipes.
        batch_size: rows per pass.
        side: of the grid.

    Returns:
        For each example drawn, rows of the kind `way`, one per recipe and recorded point: id,
        recipe, run, step, spent, x and y (input units along the two axes), loss (of the true class,
        at the point itself) and fooled; and rows of the kind `grid`: x, y, loss and lead (logits by
        which the best other class leads) in the plane. All have `explained_x` and `explained_y`,
        the shares of the ways' squared distance that lie along the axes.

    Cost: the recipes', `side^2` forward passes per example drawn, and one per point.
    """
    chosen = torch.zeros(0, dtype=torch.int64)
    points: dict[str, Tensor] = {}
    columns: dict[str, pd.DataFrame] = {}
    for recipe in recipes:
        made = craft(
            classifier, images, labels, recipe, seed, ids=ids, batch_size=batch_size, record=True
        )
        way = made.trajectories
        assert way is not None
        assert way.points is not None
        chosen = made.clean_correct.nonzero().squeeze(1)[:count].cpu()
        # Probes stay at the image: they are no part of a way.
        kept = way.run >= 0
        points[recipe] = way.points[chosen][:, kept]
        columns[recipe] = pd.DataFrame(
            {
                "run": way.run[kept].numpy(),
                "step": way.step[kept].numpy(),
                "spent": way.spent[kept].numpy(),
            }
        )
    tables = [
        _in_plane(
            classifier,
            images[row],
            labels[row : row + 1],
            {recipe: found[place] for recipe, found in points.items()},
            columns,
            generator(seed, ids[row], "ways by chance"),
            side,
            batch_size,
        ).assign(id=ids[row])
        for place, row in enumerate(chosen.tolist())
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _in_plane(
    classifier: nn.Module,
    image: Tensor,
    label: Tensor,
    ways: dict[str, Tensor],
    columns: dict[str, pd.DataFrame],
    stream: np.random.Generator,
    side: int,
    batch_size: int,
) -> pd.DataFrame:
    """Project the ways from one image, and evaluate the loss around them."""
    loss = Loss(classifier, label)
    reached = {recipe: ~way.flatten(1).isnan().any(1) for recipe, way in ways.items()}
    together = torch.cat([way[reached[recipe]] for recipe, way in ways.items()]).to(image)
    plane = principal_plane(together, image)
    tables = []
    for recipe, way in ways.items():
        own = way[reached[recipe]].to(image)
        places = plane.coordinates(own)
        with torch.no_grad():
            logits = torch.cat([loss.logits(part) for part in own.split(batch_size)])
        tables.append(
            columns[recipe][reached[recipe].numpy()].assign(
                kind=WAY,
                recipe=recipe,
                x=places[:, 0].cpu().numpy(),
                y=places[:, 1].cpu().numpy(),
                loss=loss.of_logits(logits.double()).cpu().numpy(),
                fooled=~loss.kept(logits).cpu().numpy(),
            )
        )
    x, y = grid_around(plane.coordinates(together).cpu(), side)
    places = torch.cartesian_prod(x, y)
    values, leads = loss_on(loss, plane, places, batch_size=batch_size)
    tables.append(
        pd.DataFrame(
            {
                "kind": GRID,
                "x": places[:, 0].numpy(),
                "y": places[:, 1].numpy(),
                "loss": values.numpy(),
                "fooled": leads.numpy() > 0,
                "lead": leads.numpy(),
            }
        )
    )
    runs = []
    for recipe, way in ways.items():
        number = torch.tensor(columns[recipe]["run"].to_numpy())
        runs += [way[reached[recipe] & (number == run)].to(image) for run in number.unique()]
    by_chance = share_by_chance([run for run in runs if len(run)], image, stream)
    explained_x, explained_y = plane.explained.tolist()
    return pd.concat(tables, ignore_index=True).assign(
        explained_x=explained_x, explained_y=explained_y, by_chance=by_chance
    )

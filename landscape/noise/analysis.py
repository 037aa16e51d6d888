"""All that a study of noise compares, computed once from the table of examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from attacks.recipes import Recipe
from core.report.versions import GENUINE
from core.statistics import bootstrap
from landscape.comparison import SUCCESS, Comparison, compare
from landscape.groups.same_class import is_same_class
from landscape.measures import LOSS, Measures, headline_columns
from landscape.noise.against import against
from landscape.noise.curves import shapes
from landscape.noise.equal_loss import same_images
from landscape.noise.lookup import row_of, same_of
from landscape.noise.measures import (
    CONNECTED,
    CONNECTION,
    REACHED,
    SHAPE,
    TRANSFER,
    TRANSFERRED,
)
from landscape.noise.rates import gains, outcomes, rates, with_transfer
from landscape.noise.recipes import CONTROL, family, keeps_last, last_point_of
from landscape.noise.relations import over_examples, over_recipes
from landscape.noise.scales import scale_curve

STATED = ("backwards", LOSS, "true_loss", "confidence", "l2", "linf")
"""What is stated of every recipe before the measures."""
SHAPES = "landscape"
LEAD = "gaussian_rise"
"""The measure of flatness that curves and first sentences speak of."""


@dataclass(frozen=True)
class Analysis:
    """The comparisons of a study; tables are empty where there is nothing to compare.

    Attributes:
        reference: the recipe that the others are compared with.
        families: of the recipes that are compared, controls among them, in order.
        values: see `summary_of`, of the recipes that are compared.
        rates: see `rates.rates`, of all recipes.
        gains: see `rates.gains`, of those that are compared.
        genuine: the recipes against genuine images: the landscape around them.
        against: the recipes against the reference, by what is compared: `SHAPES` (landscape,
            distance, loss), `CONNECTION`, `TRANSFER`; see `against.against`.
        same: the recipes against the reference on the same images at equal loss, in all measures;
            see `equal_loss.same_images`.
        last: the reference but for keeping its last point, where that is among the recipes.
        same_last: the recipes that keep their last point, too, against it: as `same`.
        curves: kind of noisy classifier -> see `scales.scale_curve`.
        ways: see `curves.shapes`.
        examples: see `relations.over_examples`.
        recipes: see `relations.over_recipes`.
    """

    reference: str
    families: Mapping[str, str]
    values: pd.DataFrame
    rates: pd.DataFrame
    gains: pd.DataFrame
    genuine: Comparison
    against: Mapping[str, Comparison]
    same: pd.DataFrame
    last: str | None = None
    same_last: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    ways: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: pd.DataFrame = field(default_factory=pd.DataFrame)
    recipes: pd.DataFrame = field(default_factory=pd.DataFrame)

    def of_family(self, *families: str) -> list[str]:
        """Return the recipes of some families, in order."""
        return [recipe for recipe, own in self.families.items() if own in families]

    @property
    def attacks(self) -> list[str]:
        """The recipes that are compared with the reference, controls left out."""
        return [r for r, own in self.families.items() if own != CONTROL and r != self.reference]

    def raw(self, recipe: str, measure: str) -> pd.Series | None:
        """Return how a recipe compares with the reference, on the same images and by matching.

        Args:
            recipe: the recipe.
            measure: the name of the measure, without radius.
        """
        for comparison in self.against.values():
            if measure in comparison.measures:
                return row_of(comparison, recipe, measure)
        return None

    def equal(self, recipe: str, measure: str, *, last: bool = False) -> pd.Series | None:
        """Return how a recipe compares with the reference on the same images at equal loss.

        Args:
            recipe: the recipe.
            measure: the name of the measure, without radius.
            last: compare with the reference that keeps its last point.
        """
        return same_of(self.same_last if last else self.same, recipe, measure)


def analyse(
    table: pd.DataFrame,
    recipes: Mapping[str, Recipe],
    reference: str,
    compared: Sequence[str],
    scaled: Mapping[str, Mapping[float, Recipe]],
    followed: pd.DataFrame,
    *,
    seed: int = 0,
) -> Analysis:
    """Compare all that is to be compared.

    Args:
        table: one row per group and example: the results of a study.
        recipes: all of them, by their strings.
        reference: the one that the others are compared with.
        compared: the recipes that are compared; the others belong to a curve alone.
        scaled: kind of noise -> scale -> recipe of the curve.
        followed: what `following.followed` returned, with a column `recipe`; perhaps empty.
        seed: of bootstrap and tests.
    """
    table = with_transfer(table)
    told = outcomes(table, list(recipes))
    families = {recipe: family(recipes[recipe], recipes[reference]) for recipe in compared}
    attacks = [recipe for recipe in compared if families[recipe] != CONTROL]
    kinds = measured_in(table)
    everything: Measures = {name: m for kind in kinds.values() for name, m in kind.items()}
    around = [group for group in table["group"].unique() if is_same_class(group)]
    ours = table[table["group"].isin([GENUINE, *compared, *around])]
    flat = list(headline_columns(table.columns, SHAPE))
    empty = pd.DataFrame()
    transfers = TRANSFER in kinds
    found = last_point_of([recipes[r] for r in attacks], recipes[reference])
    last = None if found is None else str(found)
    alike = [r for r in attacks if keeps_last(recipes[r])]
    return Analysis(
        reference=reference,
        families=families,
        values=summary_of(
            table,
            compared,
            dict.fromkeys([*STATED, *headline_columns(table.columns, everything)]),
            seed=seed,
        ),
        rates=rates(told, seed=seed),
        gains=gains(told, reference, compared, seed=seed),
        genuine=compare(ours, SHAPE, seed=seed),
        against={
            kind: comparison
            for kind, measures in kinds.items()
            if (comparison := against(ours, reference, compared, measures, seed=seed)) is not None
        },
        same=same_images(table, reference, attacks, everything),
        last=last,
        same_last=empty if last is None else same_images(table, last, alike, everything),
        curves={
            kind: scale_curve(table, told, reference, scales, LEAD, seed=seed)
            for kind, scales in scaled.items()
        },
        ways=shapes(followed, attacks, seed=seed) if len(followed) else empty,
        examples=over_examples(table, attacks, flat, seed=seed) if transfers else empty,
        recipes=over_recipes(table, reference, attacks, flat, seed=seed) if transfers else empty,
    )


def measured_in(table: pd.DataFrame) -> dict[str, Measures]:
    """Return the measures that a table holds, by what is compared."""
    kinds: dict[str, Measures] = {SHAPES: {**SHAPE, **REACHED}}
    for kind, measures in ((CONNECTION, CONNECTED), (TRANSFER, TRANSFERRED)):
        known = {name: m for name, m in measures.items() if name in table}
        known = {name: m for name, m in known.items() if table[name].notna().any()}
        if known:
            kinds[kind] = known
    return kinds


def summary_of(
    table: pd.DataFrame, recipes: Sequence[str], columns: Iterable[str], *, seed: int = 0
) -> pd.DataFrame:
    """Return a typical value of some columns over the examples that count, with its interval.

    The median, but the mean for what is 0 of most examples: connections and shares.

    Returns:
        Columns recipe, measure, n, statistic, estimate, low, high.
    """
    rows = []
    names = list(columns)
    for recipe in recipes:
        own = table[(table["group"] == recipe) & (table["status"] == SUCCESS)]
        for name in names:
            values = own[name].dropna().to_numpy(float) if name in own else np.empty(0)
            mean = name in CONNECTED
            row = {
                "recipe": recipe,
                "measure": name,
                "n": len(values),
                "statistic": "mean" if mean else "median",
            }
            if len(values) > 1:
                statistic = np.mean if mean else np.median
                found = bootstrap(values, statistic, seed=seed, method="percentile")
                row |= {"estimate": found.estimate, "low": found.low, "high": found.high}
            rows.append(row)
    return pd.DataFrame(rows, columns=["recipe", "measure", "n", "statistic", "estimate", "low",
                                       "high"])  # fmt: skip

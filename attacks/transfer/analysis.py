"""All that a study of transfer compares, computed once from the table of examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from attacks.recipes import Recipe, parse
from attacks.transfer.cells import ALL
from attacks.transfer.gains import paired_gain, scale_curve, success_rates
from attacks.transfer.landscapes import PREFIXES
from attacks.transfer.recipes import ball, reference_of
from attacks.transfer.relations import relate_images, relate_pairs, transfer_of_images
from attacks.transfer.sharing import same_wrong_class, shared_between_sources, shared_images
from core.statistics import holm

CERTAINTY = "certainty"
"""The covariate that is held fixed: the source's margin at the genuine image."""

COVARIATES = {
    CERTAINTY: "source sure of the image",
    "attack_margin": "source sure of the wrong class",
    "victims_certainty": "victims sure of the image",
    "alignment": "gradients aligned",
}
"""Of an image under its source, and how a reader calls them."""

_MEASURES = {
    "gaussian_rise": "rise under Gaussian noise",
    "sphere_rise": "rise on the sphere",
    "log_odds_shift": "log-odds shift under noise",
    "worst_l2_rise": "worst-case rise, l2",
    "worst_linf_rise": "worst-case rise, linf",
    "linearity_gap": "linearity gap",
    "stability": "label kept under noise",
    "certified_radius": "certified radius",
    "persistence": "persistence",
    "boundary_distance": "boundary distance",
    "gradient_l2": "gradient norm, l2",
    "gradient_l1": "gradient norm, l1",
    "hessian_trace": "Hessian trace",
    "hessian_top": "top Hessian eigenvalue",
    "gradient_change": "gradient change",
    "gradient_coherence": "gradient coherence",
    "lid:input": "local dimension",
}


@dataclass(frozen=True)
class Analysis:
    """The comparisons of a study, each a table; empty where there is nothing to compare.

    Attributes:
        images: how many images were attacked.
        classifiers: names in order.
        recipes: all recipes in order.
        references: recipe -> what it is compared with, of the same norm and radius.
        rates: see `success_rates`.
        gains: see `paired_gain`, of every recipe over its reference; for the mean over all pairs
            p_holm is adjusted over the recipes.
        curves: kind of noise -> see `scale_curve`.
        shared: see `shared_images`.
        between_sources: see `shared_between_sources`.
        wrong: see `same_wrong_class`.
        relations: see `relate_images`, for the references and what flatness was measured of.
        pairs: see `relate_pairs`, for the references.
        names: covariate -> how a reader calls it.
    """

    images: int
    classifiers: list[str]
    recipes: dict[str, Recipe]
    references: dict[str, str]
    rates: pd.DataFrame = field(default_factory=pd.DataFrame)
    gains: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    shared: pd.DataFrame = field(default_factory=pd.DataFrame)
    between_sources: pd.DataFrame = field(default_factory=pd.DataFrame)
    wrong: pd.DataFrame = field(default_factory=pd.DataFrame)
    relations: pd.DataFrame = field(default_factory=pd.DataFrame)
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The reference of the first attack: what the report's pictures are of."""
        return next(iter(self.references.values()), next(iter(self.recipes)))

    def rate(self, recipe: str, source: str = ALL, victim: str = ALL) -> pd.Series:
        """Return the row of rates of a recipe, by default the mean over all pairs."""
        own = self.rates[self.rates["recipe"] == recipe]
        return own[(own["source"] == source) & (own["victim"] == victim)].iloc[0]

    def white_box(self, recipe: str) -> float:
        """Return the mean over classifiers of how many of its own examples fool it."""
        own = self.rates[self.rates["recipe"] == recipe]
        single = (own["source"] == own["victim"]) & (own["source"] != ALL)
        return float(own[single]["rate"].mean())


def analyse(
    table: pd.DataFrame,
    classifiers: Sequence[str],
    recipes: Mapping[str, Recipe],
    scaled: Mapping[str, Mapping[float, Recipe]],
    measures: Sequence[str] = (),
    *,
    main: Sequence[str] | None = None,
    classes: int | None = None,
    seed: int = 0,
) -> Analysis:
    """Compare all that is to be compared.

    Args:
        table: as `transfer` returns it, perhaps with columns of flatness.
        classifiers: their names.
        recipes: by their strings, in order.
        scaled: kind of noise -> scale -> recipe of the curve.
        measures: the columns of flatness.
        main: the recipes that are compared with one another; the others belong to a curve alone.
            None: all.
        classes: that the classifiers tell apart.
        seed: of bootstrap and permutations.
    """
    references = _references(recipes)
    empty = pd.DataFrame()
    if not len(table):
        return Analysis(0, list(classifiers), dict(recipes), references)
    compared = set(recipes if main is None else main)
    gains = [
        paired_gain(table, recipe, reference, seed=seed)
        for recipe, reference in references.items()
        if recipe != reference and recipe in compared
    ]
    shown = table[table["recipe"].isin(compared)]
    attacks = shown[~shown["recipe"].map(lambda recipe: recipes[recipe].control)]
    relations, pairs, names = _relations(table, references, measures, seed)
    return Analysis(
        images=table["id"].nunique(),
        classifiers=list(classifiers),
        recipes=dict(recipes),
        references=references,
        rates=success_rates(table, seed=seed),
        gains=_adjusted(pd.concat(gains, ignore_index=True)) if gains else empty,
        curves={
            kind: scale_curve(
                table,
                references[str(next(iter(scales.values())))],
                {str(recipe): scale for scale, recipe in scales.items()},
                seed=seed,
            )
            for kind, scales in scaled.items()
            if scales
        },
        shared=shared_images(shown, seed=seed),
        between_sources=shared_between_sources(shown, seed=seed),
        wrong=same_wrong_class(attacks, classes=classes, seed=seed) if len(attacks) else empty,
        relations=relations,
        pairs=pairs,
        names=names,
    )


def _references(recipes: Mapping[str, Recipe]) -> dict[str, str]:
    """Return what each recipe is compared with: the plain PGD in a ball of the same size."""
    balls: dict[tuple[str, float | None], list[Recipe]] = {}
    for recipe in recipes.values():
        balls.setdefault(ball(recipe), []).append(recipe)
    found = {where: reference_of(inside) for where, inside in balls.items()}
    return {
        text: str(found[ball(recipe)])
        for text, recipe in recipes.items()
        if found[ball(recipe)] is not None
    }


def _adjusted(gains: pd.DataFrame) -> pd.DataFrame:
    """Adjust the p values of the means over all pairs for the number of recipes."""
    over_all = gains["source"] == ALL
    gains.loc[over_all, "p_holm"] = holm(gains.loc[over_all, "p"].to_numpy())
    return gains


def _relations(
    table: pd.DataFrame, references: Mapping[str, str], measures: Sequence[str], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    measures = _middle(measures)
    around = [m for m in measures if m.startswith(PREFIXES["adversarial"])]
    wanted = set(references.values())
    if around:
        measured = table[table[around].notna().any(axis=1)]["recipe"]
        wanted |= {r for r in measured.unique() if not parse(r).control}
    own = table[table["recipe"].isin(wanted) & (table["source"] != table["victim"])]
    if not len(own):
        return pd.DataFrame(), pd.DataFrame(), {}
    keys = ["recipe", "source", "id"]
    columns = {
        CERTAINTY: -own["source_margin"],
        "attack_margin": own["source_adversarial_margin"],
        "victims_certainty": -own["victim_margin"],
        "alignment": own["alignment"],
        **{measure: own[measure] for measure in measures},
    }
    wide = own[keys].assign(**columns)
    covariates = wide.groupby(keys, sort=False).mean().reset_index()
    relations = relate_images(transfer_of_images(own), covariates, controls=[CERTAINTY], seed=seed)
    of_pairs = own[own["recipe"].isin(set(references.values()))]
    pairs = relate_pairs(
        of_pairs, of_pairs[["recipe", "source", "victim", "id", "alignment"]], seed=seed
    )
    names = {**COVARIATES, **{measure: _spoken(measure) for measure in measures}}
    return relations, pairs, names


def _middle(measures: Sequence[str]) -> list[str]:
    """Keep the middle one of the radii at which a measure was taken."""
    grouped: dict[str, list[str]] = {}
    for measure in measures:
        grouped.setdefault(measure.partition("@")[0], []).append(measure)
    return [radii[len(radii) // 2] for radii in grouped.values()]


def _spoken(measure: str) -> str:
    where = next(name for name, prefix in PREFIXES.items() if measure.startswith(prefix))
    name, at, radius = measure.removeprefix(PREFIXES[where]).partition("@")
    size = f" {float(radius):.2g}" if at else ""
    return f"{_MEASURES.get(name, name)}{size}, {where}"


def weighted(shares: pd.Series, weights: pd.Series) -> float:
    """Return the mean of shares weighted by what they are of; NaN where there is nothing."""
    known = (weights > 0) & shares.notna()
    if not known.any():
        return float("nan")
    return float(np.average(shares[known].astype(float), weights=weights[known].astype(float)))


def without_source(rows: pd.DataFrame, own: str = "source") -> pd.DataFrame:
    """Return the rows whose two classifiers are both others than the source (or the victim)."""
    if not len(rows):
        return rows
    return rows[(rows["first"] != rows[own]) & (rows["second"] != rows[own])]

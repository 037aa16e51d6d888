"""Recipes compared with a reference at equal loss *and* on the same image.

Matching a recipe's examples with the reference's of equal loss, whatever image they come from (see
`against`), leaves the differences between images in, and they are orders of magnitude. Here the two
examples of one image are compared, where they have nearly the same loss, and what is left of the
difference in loss is taken out by a regression within these pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from core.errors import InputError
from core.statistics import holm
from landscape.comparison import LEAST_PAIRS, SUCCESS
from landscape.measures import LOSS, Measures, headline_columns

FACTOR = 2.0
"""Two losses are nearly the same where neither is more than this many times the other."""
MOST_DROPPED = 0.05
"""The largest share of pairs that may lack a ratio; with more, none is given."""


@dataclass(frozen=True)
class SameImage:
    """How much two recipes' examples of the same image differ at equal loss.

    Attributes:
        n: pairs with nearly the same loss that count.
        dropped: pairs among them without a ratio, since a value is not positive.
        effect: `ratio` or `difference`.
        estimate: of the first over the second, or minus it; NaN with too few pairs.
        low, high: its interval.
        p: two-sided, of no difference.
    """

    n: int
    dropped: int
    effect: str
    estimate: float
    low: float
    high: float
    p: float


def at_equal_loss(
    ours: np.ndarray,
    theirs: np.ndarray,
    our_loss: np.ndarray,
    their_loss: np.ndarray,
    *,
    ratio: bool,
    factor: float = FACTOR,
    level: float = 0.95,
) -> SameImage:
    """Compare a measure of two examples of each image where their losses nearly agree.

    Over the pairs with `|x| <= log factor`, `x = log(our loss / their loss)`, the difference `y` of
    the measures (of their logarithms, for a ratio) is regressed on `x` and on `x m`, `m` the mean
    of the two log losses: how a measure goes with the loss may itself change with the loss. The
    intercept is the difference at equal loss. Its standard error allows for unequal variances (HC3;
    MacKinnon and White 1985), its interval is Student's with `n - 3` degrees of freedom.

    Only who is compared depends on the losses, nothing on the measure. A measure that is a bent
    function of the loss alone has an intercept of nearly 0: in simulations of 100 to 200 pairs it
    was within 0.012 of it, and significant in at most 6.5 % of repetitions.

    Args:
        ours, theirs: `(n,)` the measure, entry i of both of the same image.
        our_loss, their_loss: `(n,)` positive.
        ratio: whether the ratio of the measures is meant.
        factor: above 1.
        level: of confidence.

    Raises:
        InputError: losses that are not positive, or a factor that is not above 1.

    >>> loss = np.geomspace(1e-3, 1, 40)
    >>> off = np.where(np.arange(40) % 2, 1.2, 1 / 1.2)
    >>> found = at_equal_loss(6 * loss * off, 3 * loss, loss * off, loss, ratio=True)
    >>> found.n, round(found.estimate, 6)
    (40, 2.0)
    """
    if not ((our_loss > 0).all() and (their_loss > 0).all()) or not factor > 1:
        raise InputError("expected losses above 0 and a factor above 1.")
    kind = "ratio" if ratio else "difference"
    away = np.log(our_loss) - np.log(their_loss)
    middle = (np.log(our_loss) + np.log(their_loss)) / 2
    near = np.abs(away) <= math.log(factor)
    x, m, a, b = away[near], middle[near], ours[near], theirs[near]
    dropped = 0
    if ratio:
        fine = (a > 0) & (b > 0)
        dropped = int((~fine).sum())
        x, m, a, b = x[fine], m[fine], np.log(a[fine]), np.log(b[fine])
    n = len(x)
    none = SameImage(n, dropped, kind, math.nan, math.nan, math.nan, math.nan)
    if n < LEAST_PAIRS or dropped > MOST_DROPPED * (n + dropped):
        return none
    estimate, error = intercept([x, x * (m - m.mean())], a - b)
    half = float(stats.t.ppf((1 + level) / 2, n - 3)) * error
    if error > 0:
        p = float(2 * stats.t.sf(abs(estimate) / error, n - 3))
    else:
        p = 1.0 if estimate == 0 else 0.0
    ends = [estimate, estimate - half, estimate + half]
    if ratio:
        ends = [math.exp(end) for end in ends]
    return SameImage(n, dropped, kind, ends[0], ends[1], ends[2], p)


def intercept(columns: Sequence[np.ndarray], y: np.ndarray) -> tuple[float, float]:
    """Return the intercept of the least-squares regression of y, and its HC3 standard error.

    >>> intercept([np.array([-1.0, 0.0, 1.0, 2.0])], np.array([1.0, 3.0, 5.0, 7.0]))
    (3.0, 0.0)
    """
    design = np.stack([np.ones(len(y)), *columns], axis=1)
    # What does not vary explains nothing: without any spread the mean of y is all that is known.
    inverse = np.linalg.pinv(design.T @ design, hermitian=True)
    weights = inverse @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    left = y - design @ weights
    left[np.abs(left) < 1e-12 * max(1.0, float(np.abs(y).max()))] = 0.0
    squares = (left / np.maximum(1 - leverage, 1e-9)) ** 2
    covariance = inverse @ (design.T * squares) @ design @ inverse
    return round(float(weights[0]), 14), float(np.sqrt(max(covariance[0, 0], 0.0)))


def same_images(
    table: pd.DataFrame,
    reference: str,
    recipes: Sequence[str],
    measures: Measures,
    *,
    factor: float = FACTOR,
) -> pd.DataFrame:
    """Compare the examples of recipes with those of a reference on the same images at equal loss.

    Args:
        table: one row per group and example, with `group`, `id`, `status`, `loss` (of the class
            predicted at the example) and the measures.
        reference: the group that the others are compared with.
        recipes: the others.
        measures: what is compared, by name; a curve at its middle radius.
        factor: see `at_equal_loss`.

    Returns:
        Columns group, measure, n, dropped, effect, estimate, low, high, p and p_holm (corrected
        over recipes and measures).
    """
    columns = headline_columns(table.columns, measures)
    counted = table[(table["status"] == SUCCESS) & table[LOSS].gt(0)]
    base = counted[counted["group"] == reference].set_index("id")
    rows = []
    for recipe in recipes:
        if recipe == reference:
            continue
        own = counted[counted["group"] == recipe].set_index("id")
        ids = own.index.intersection(base.index, sort=False)
        for name, measure in columns.items():
            ours, theirs = own.loc[ids], base.loc[ids]
            both = (ours[name].notna() & theirs[name].notna()).to_numpy()
            values = [
                part[column].to_numpy(float)[both]
                for column in (name, LOSS)
                for part in (ours, theirs)
            ]
            found = at_equal_loss(*values, ratio=measure.logarithmic, factor=factor)
            rows.append({"group": recipe, "measure": name, **vars(found)})
    frame = pd.DataFrame(rows)
    if len(frame):
        frame["p_holm"] = holm(frame["p"].to_numpy(float))
    return frame

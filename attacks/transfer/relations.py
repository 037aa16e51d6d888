"""What goes with transfer: confidence and flatness of the image, alignment of the gradients.

Nothing here says why. A covariate that is itself a matter of confidence (flatness is) goes with
transfer wherever confidence does, so each relation is also given with the confidence held fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations as arrangements
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from attacks.transfer.cells import ALL, cells_of
from core.errors import InputError
from core.statistics import auc, bootstrap_sums, holm, unpaired_test
from core.statistics.association import correlation_p, partial_correlation, rank_correlations

LEAST_IMAGES = 20
"""With fewer images a relation is not estimated."""

LEAST_OF_EACH = 5
"""With fewer fooled, or fewer not fooled, no AUC is estimated."""

LEAST_CLASSIFIERS = 3
"""With fewer there are not enough pairs of classifiers to rank."""

_MOST_ARRANGEMENTS = 5040
_KEYS = ("recipe", "source", "victim", "id")


@dataclass(frozen=True)
class _Setup:
    level: float
    draws: int
    seed: int


def transfer_of_images(table: pd.DataFrame) -> pd.DataFrame:
    """The share of the other victims that each image's example fools.

    Args:
        table: one row per (recipe, source, victim, id) with `label`, `fooled` and `prediction`.

    Returns:
        Columns `recipe`, `source`, `id`, `victims` (how many others), `transfer` (share of them
        that are fooled, 0 to 1). Rows per recipe and source in the order of the table, images in
        the order of their ids.
    """
    cells = cells_of(table)
    groups: dict[tuple[str, str], list[int]] = {}
    for column, (recipe, source, victim) in enumerate(cells.keys):
        if source != victim:
            groups.setdefault((recipe, source), []).append(column)
    frames = []
    for (recipe, source), columns in groups.items():
        victims = cells.present[:, columns].sum(1)
        kept = victims > 0
        names = {"recipe": recipe, "source": source, "id": cells.ids[kept]}
        shares = cells.fooled[kept][:, columns].sum(1) / victims[kept]
        frames.append(pd.DataFrame({**names, "victims": victims[kept], "transfer": shares}))
    if not frames:
        raise InputError("table: it has no victim other than the source, so nothing can transfer.")
    return pd.concat(frames, ignore_index=True)


def relate_images(
    outcome: pd.DataFrame,
    covariates: pd.DataFrame,
    *,
    controls: Sequence[str] = (),
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Spearman's correlation of an image's transfer with each covariate, raw and with some fixed.

    Args:
        outcome: as `transfer_of_images` returns it: `recipe`, `source`, `id`, `transfer`.
        covariates: `id`, any of `recipe` and `source` (a covariate of the genuine image under the
            source needs no recipe), and one numeric column per covariate; at most one row each.
        controls: covariates to hold fixed, such as the source's confidence; every other covariate
            gets a second row then, the partial correlation of the ranks.
        level: of confidence, per interval.
        draws: bootstrap resamples of the images, the same for all covariates of a source.
        seed: of the resamples.

    Returns:
        One row per recipe, source, covariate and kind: `recipe`, `source`, `covariate`,
        `controlled_for` ("" for the raw one, else the names joined by ", "), `n`, `rho`, `low`,
        `high` (percentile bootstrap over the images), `p` (Student's t), `p_holm` (over all rows
        returned), `reason` ("" or why the numbers are NaN: "fewer than 20 images", "constant",
        "determined by what is held fixed", "not measured"). An image counts for a source if all
        covariates that are measured there are finite for it, so that rows compare.

    Holding ranks fixed takes out what is linear in them. Where transfer depends on the confidence
    in a bent way (it does when there are one or two victims), some of that dependence is left, and
    a small partial correlation is then no proof of a part of its own.
    """
    names = _covariate_columns(covariates, ("recipe", "source", "id"))
    if missing := [name for name in controls if name not in names]:
        raise InputError(f"controls: {missing[0]!r} is not a column of covariates ({names}).")
    merged = _merged(outcome, covariates, ("recipe", "source", "id"))
    setup = _Setup(level, draws, seed)
    rows: list[dict[str, Any]] = []
    for (recipe, source), group in merged.groupby(["recipe", "source"], sort=False):
        found = _image_relations(group.sort_values("id"), names, list(controls), setup)
        rows += [{"recipe": recipe, "source": source, **row} for row in found]
    frame = pd.DataFrame(rows)
    frame["p_holm"] = holm(frame["p"].to_numpy(dtype=float))
    return _with_reason_last(frame)


def _image_relations(
    group: pd.DataFrame, names: list[str], controls: list[str], setup: _Setup
) -> list[dict[str, Any]]:
    finite = np.isfinite(group[names].to_numpy(dtype=float))
    measured = [name for name, some in zip(names, finite.any(0), strict=True) if some]
    kept = finite[:, [name in measured for name in names]].all(1)
    values = group.loc[kept, ["transfer", *measured]].to_numpy(dtype=float)
    place = {name: 1 + i for i, name in enumerate(measured)}
    held = [place[name] for name in controls if name in place]
    wanted: list[tuple[str, list[str]]] = [(name, []) for name in names]
    if controls:
        wanted += [(name, controls) for name in names if name not in controls]
    n = len(values)
    rows = []
    for name, fixed in wanted:
        reason = ""
        if any(x not in place for x in (name, *fixed)):
            reason = "not measured"
        elif n < LEAST_IMAGES:
            reason = f"fewer than {LEAST_IMAGES} images"
        elif np.ptp(values[:, 0]) == 0 or np.ptp(values[:, place[name]]) == 0:
            reason = "constant"
        empty = dict.fromkeys(("rho", "low", "high", "p"), np.nan)
        names_of = {"covariate": name, "controlled_for": ", ".join(fixed)}
        rows.append({**names_of, "n": n, **empty, "reason": reason})
    asked = [i for i, row in enumerate(rows) if not row["reason"]]
    if not asked:
        return rows

    def statistic(matrix: np.ndarray) -> np.ndarray:
        of = [(place[wanted[i][0]], held if wanted[i][1] else []) for i in asked]
        return np.stack([partial_correlation(matrix, 0, j, fixed) for j, fixed in of], axis=-1)

    found = rank_correlations(
        values, statistic, level=setup.level, resamples=setup.draws, seed=setup.seed
    )
    for at, i in enumerate(asked):
        rho = float(found.estimate[at])
        if np.isnan(rho):
            rows[i]["reason"] = "determined by what is held fixed"
            continue
        p = float(correlation_p(rho, n, len(wanted[i][1])))
        rows[i].update(rho=rho, low=float(found.low[at]), high=float(found.high[at]), p=p)
    return rows


def relate_pairs(
    table: pd.DataFrame,
    covariates: pd.DataFrame,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Whether a covariate of (image, source, victim), such as alignment, goes with being fooled.

    Args:
        table: one row per (recipe, source, victim, id) with `label`, `fooled` and `prediction`.
        covariates: `id`, `source`, `victim`, perhaps `recipe`, and one numeric column per
            covariate, such as the cosine of the two gradients at the genuine image.
        level: of confidence, per interval.
        draws: bootstrap resamples of the images.
        seed: of the resamples.

    Returns:
        Columns `recipe`, `source`, `victim`, `covariate`, `statistic`, `n`, `n_fooled`, `estimate`,
        `low`, `high`, `p`, `p_holm` (over all rows of the recipe with the same statistic),
        `reason`. Two kinds of rows:

        `auc`, one per ordered pair source != victim: the probability that the covariate is larger
        for an image that fools the victim than for one that does not, DeLong's interval,
        Mann-Whitney p; n images.

        `spearman`, one per recipe with source = victim = `all`: over the n ordered pairs, the rank
        correlation of the pair's mean covariate with its rate of transfer. Its interval is the
        percentile bootstrap over the images: it says what other images would show at the same
        classifiers. For what other classifiers would show read p: the share of arrangements of the
        classifiers (all of them up to 7, else a sample) that make the correlation as large in size;
        with 4 classifiers it is never below 1 / 24.

        `reason` says why numbers are NaN: "fewer than 20 images", "fewer than 5 fooled", "fewer
        than 5 not fooled", "fewer than 3 classifiers", "constant", "not measured".

    Source: Mantel, "The detection of disease clustering and a generalized regression approach"
    (1967), for the arrangements of classifiers.
    """
    cells_of(table)  # what it refuses
    names = _covariate_columns(covariates, _KEYS)
    transfer = table[table["source"] != table["victim"]]
    merged = _merged(transfer[[*_KEYS, "fooled"]], covariates, _KEYS)
    setup = _Setup(level, draws, seed)
    rows: list[dict[str, Any]] = []
    for recipe, of_recipe in merged.groupby("recipe", sort=False):
        for name in names:
            measured = of_recipe[np.isfinite(of_recipe[name].to_numpy(dtype=float))]
            pairs = _ordered_pairs(of_recipe)
            found = [
                {
                    "source": source,
                    "victim": victim,
                    **_pair_auc(_of_pair(measured, source, victim), name, level),
                }
                for source, victim in pairs
            ]
            over = {"source": ALL, "victim": ALL, **_over_pairs(measured, name, setup)}
            rows += [{"recipe": recipe, "covariate": name, **row} for row in (*found, over)]
    order = ["recipe", "source", "victim", "covariate", "statistic", "n", "n_fooled", "estimate"]
    frame = pd.DataFrame(rows)[[*order, "low", "high", "p", "reason"]]
    families = frame.groupby(["recipe", "statistic"])["p"]
    frame["p_holm"] = families.transform(lambda p: holm(p.to_numpy(dtype=float)))
    return _with_reason_last(frame)


def _with_reason_last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[*(name for name in frame.columns if name != "reason"), "reason"]]


def _ordered_pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(rows["source"], rows["victim"], strict=True)))


def _of_pair(rows: pd.DataFrame, source: str, victim: str) -> pd.DataFrame:
    return rows[(rows["source"] == source) & (rows["victim"] == victim)]


def _nothing(reason: str) -> dict[str, Any]:
    return {**dict.fromkeys(("estimate", "low", "high", "p"), np.nan), "reason": reason}


def _pair_auc(rows: pd.DataFrame, name: str, level: float) -> dict[str, Any]:
    fooled = rows["fooled"].to_numpy(dtype=bool)
    values = rows[name].to_numpy(dtype=float)
    n, n_fooled = len(rows), int(fooled.sum())
    start = {"statistic": "auc", "n": n, "n_fooled": n_fooled}
    if not n:
        return {**start, **_nothing("not measured")}
    if n < LEAST_IMAGES:
        return {**start, **_nothing(f"fewer than {LEAST_IMAGES} images")}
    for count, words in ((n_fooled, "fooled"), (n - n_fooled, "not fooled")):
        if count < LEAST_OF_EACH:
            return {**start, **_nothing(f"fewer than {LEAST_OF_EACH} {words}")}
    found = auc(values[fooled], values[~fooled], level=level)
    p = unpaired_test(values[fooled], values[~fooled]).p
    numbers = {"estimate": found.estimate, "low": found.low, "high": found.high, "p": p}
    return {**start, **numbers, "reason": ""}


def _over_pairs(rows: pd.DataFrame, name: str, setup: _Setup) -> dict[str, Any]:
    """Rank correlation over ordered pairs of the mean covariate with the rate of transfer."""
    pairs = sorted(_ordered_pairs(rows))
    classifiers = sorted({name for pair in pairs for name in pair})
    start = {"statistic": "spearman", "n": len(pairs), "n_fooled": int(rows["fooled"].sum())}
    if not pairs:
        return {**start, **_nothing("not measured")}
    if rows["id"].nunique() < LEAST_IMAGES:
        return {**start, **_nothing(f"fewer than {LEAST_IMAGES} images")}
    if len(classifiers) < LEAST_CLASSIFIERS:
        return {**start, **_nothing(f"fewer than {LEAST_CLASSIFIERS} classifiers")}
    wide = [
        rows.pivot(index="id", columns=["source", "victim"], values=column)[pairs].sort_index()
        for column in (name, "fooled")
    ]
    present = wide[0].notna().to_numpy()
    values, fooled = (w.to_numpy(dtype=float, na_value=0.0) for w in wide)
    columns = np.concatenate([np.where(present, values, 0.0), fooled, present], axis=1)

    def statistic(sums: np.ndarray) -> np.ndarray:
        of_values, of_fooled, n = np.split(sums, 3, axis=-1)
        return _correlation(_ranks(of_values / n), _ranks(of_fooled / n))[..., None]

    found = bootstrap_sums(
        columns,
        statistic,
        level=setup.level,
        resamples=setup.draws,
        seed=setup.seed,
        method="percentile",
    )
    rho = float(found.estimate[0])
    if np.isnan(rho):
        return {**start, **_nothing("constant")}
    of_values, of_fooled, n = np.split(columns.sum(0), 3)
    p = _arrangement_p(_ranks(of_values / n), _ranks(of_fooled / n), pairs, classifiers, setup.seed)
    bounds = {"low": float(found.low[0]), "high": float(found.high[0])}
    return {**start, "estimate": rho, **bounds, "p": p, "reason": ""}


def _arrangement_p(
    x: np.ndarray, y: np.ndarray, pairs: list[tuple[str, str]], classifiers: list[str], seed: int
) -> float:
    """Two-sided p of the correlation over pairs when classifiers swap places in one of the two."""
    place = {name: i for i, name in enumerate(classifiers)}
    rows, columns = (np.array([place[pair[i]] for pair in pairs]) for i in (0, 1))
    matrix = np.full((len(classifiers), len(classifiers)), np.nan)
    matrix[rows, columns] = x
    k = len(classifiers)
    if np.prod(np.arange(1.0, k + 1)) <= _MOST_ARRANGEMENTS:
        orders, extra = np.array(list(arrangements(range(k)))), 0
    else:
        rng = np.random.default_rng(seed)
        orders, extra = rng.permuted(np.tile(np.arange(k), (999, 1)), axis=1), 1
    moved = matrix[orders[:, rows], orders[:, columns]]
    complete = ~np.isnan(moved).any(1)  # pairs that were not measured have no place to go
    sizes = np.abs(_correlation(moved[complete], y))
    observed = abs(float(_correlation(x, y)))
    return float((extra + (sizes >= observed - 1e-12).sum()) / (extra + complete.sum()))


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.asarray(stats.rankdata(values, axis=-1))


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    scale = np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    above = (x * y).sum(-1)
    return np.divide(above, scale, out=np.full(above.shape, np.nan), where=scale > 0)


def _covariate_columns(covariates: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    if "id" not in covariates:
        raise InputError("covariates: the column 'id' is missing.")
    names = [name for name in covariates.columns if name not in keys]
    if not names:
        raise InputError("covariates: there is no column beside those that name the image.")
    for name in names:
        if not pd.api.types.is_numeric_dtype(covariates[name]):
            raise InputError(f"covariates: the column {name!r} does not hold numbers.")
    return names


def _merged(rows: pd.DataFrame, covariates: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Join on the keys that the covariates have; rows without covariates get NaN."""
    shared = [key for key in keys if key in covariates]
    if covariates.duplicated(shared).any():
        raise InputError(f"covariates: some {tuple(shared)} has more than one row.")
    return rows.merge(covariates, on=shared, how="left")

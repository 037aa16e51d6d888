"""The sentences that a study on the manifold comes to."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from autoencoders.manifold import groups
from autoencoders.manifold.analysis import TYPICAL
from core.report import Finding, words
from core.report.versions import GENUINE
from core.statistics import Interval

LEAST = 20
"""Fewer fooled examples than this carry no claim."""


def findings(rows: pd.DataFrame, compared: pd.DataFrame, searches: Sequence[str]) -> list[Finding]:
    """Return what was found: success, both distances against PGD's, and how to read them."""
    found = [_success(rows, name) for name in searches]
    if int(rows[rows["group"] == groups.SEARCH]["n"].min()) < LEAST:
        text = f"Fewer than {LEAST} examples were fooled: too few to say how far off they lie."
        return [*found, Finding(text, None, "too few", groups.SEARCH)]
    for measure, texts in (("z", _errors(rows)), ("residual", _residuals(rows))):
        claim = _claim(compared, measure)
        found.append(Finding(texts + _against(compared, measure), claim, "", groups.SEARCH))
    return [*found, _caution(rows)]


def _of(rows: pd.DataFrame, group: str) -> pd.DataFrame:
    return rows[rows["group"] == group]


def _numbers(rows: pd.DataFrame, name: str) -> str:
    """Return a number with its interval for one autoencoder, else the numbers of all."""
    if len(rows) == 1:
        return _band(rows.iloc[0], name)
    return _several(words.number(float(v)) for v in rows[name])


def _several(said: Iterable[str]) -> str:
    """Join what is said of each autoencoder; once where it is the same of all."""
    each = list(said)
    return each[0] if len(set(each)) == 1 else words.several(each)


def _band(row: pd.Series, name: str) -> str:
    return words.interval(Interval(row[name], row[f"{name}_low"], row[f"{name}_high"]))


def _shares(rows: pd.DataFrame) -> str:
    return _several(words.percent(float(v)) for v in rows["typical"])


def _success(rows: pd.DataFrame, name: str) -> Finding:
    own = _of(rows, name)
    lost = _several(str(int(n)) for n in own["lost"])
    text = (
        f"{name[0].upper()}{name[1:]}, {words.several(map(_fooled, own.to_dict('records')))}; "
        f"{lost} of the others are reconstructed as another class and were given up."
    )
    if len(own) > 1:
        text += f" Here and below, of {words.counted(len(own), 'autoencoder')} in turn."
    return Finding(text, None, "", name)


def _fooled(row: Mapping[Hashable, Any]) -> str:
    if not row["right"]:
        return "no image is classified correctly"
    share = Interval(row["success"], row["success_low"], row["success_high"])
    return (
        f"{words.count(int(row['fooled']), int(row['right']))} images are fooled "
        f"({words.interval(share, scale=100, unit='%')})"
    )


def _errors(rows: pd.DataFrame) -> str:
    own, equal = _of(rows, groups.SEARCH), groups.EQUAL.values()
    others = "; ".join(
        f"{name} {_numbers(_of(rows, name), 'z')} ({_shares(_of(rows, name))})" for name in equal
    )
    return (
        f"Judged by another autoencoder, their error has a median z-score of {_numbers(own, 'z')}, "
        f"and {_shares(own)} have one of at most {TYPICAL:g}. {others}; genuine images "
        f"{_numbers(_of(rows, GENUINE), 'z')} ({_shares(_of(rows, GENUINE))})."
    )


def _residuals(rows: pd.DataFrame) -> str:
    others = "; ".join(
        f"{name} {_numbers(_of(rows, name), 'residual')}" for name in groups.EQUAL.values()
    )
    return (
        "From the flat of the nearest training images they are "
        f"{_numbers(_of(rows, groups.SEARCH), 'residual')} times as far as genuine images are, by "
        f"their medians. {others}."
    )


def _against(compared: pd.DataFrame, measure: str) -> str:
    """Say the paired comparison with PGD at equal success."""
    said = []
    for name in groups.EQUAL.values():
        own = _of(compared, name)
        if measure not in own or own[measure].isna().any():
            said.append(f"there are too few pairs with {name}")
            continue
        by = "by" if measure == "z" else "times"
        values = words.several(_band(row, measure) for _, row in own.iterrows())
        p = words.p_value(float(own[f"{measure}_holm"].max()))
        said.append(f"against {name} {by} {values}, {p}")
    return f" Paired by example: {'; '.join(said)}."


def _claim(compared: pd.DataFrame, measure: str) -> bool:
    """Say whether the search lies nearer than PGD, in both norms and for every autoencoder."""
    own = compared[compared["group"].isin(groups.EQUAL.values())]
    if measure not in own or own[measure].isna().any():
        return False
    none = 0.0 if measure == "z" else 1.0
    return bool(((own[f"{measure}_high"] < none) & (own[f"{measure}_holm"] < 0.05)).all())


def _caution(rows: pd.DataFrame) -> Finding:
    plain = _of(rows, groups.RECONSTRUCTION)
    own_z = _several(words.number(float(v)) for v in _of(rows, groups.SEARCH)["own_z"])
    text = (
        "How to read it: whatever a decoder makes is smoother than genuine images, and "
        "reconstructed better: mere reconstructions have a median z-score of "
        f"{_numbers(plain, 'z')} and a residual of {_numbers(plain, 'residual')}, before any "
        "search. By its own autoencoder the search's examples would have a z-score of "
        f"{own_z}, which says nothing."
    )
    return Finding(text, None, "", groups.RECONSTRUCTION)

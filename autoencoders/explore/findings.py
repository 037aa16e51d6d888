"""What a study of latent spaces has found, in words with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from autoencoders.explore.measuring import BASELINE, DETECTORS
from core.report import Finding, words
from core.report.versions import GENUINE
from core.statistics import Interval, bootstrap

MIXED = 1.05
"""The largest R-hat of chains that are said to have mixed."""


def detecting(
    areas: pd.DataFrame, labels: Mapping[str, str], attacking: Sequence[str]
) -> list[Finding]:
    """Return, for each group, the best detector beside the baseline; controls come last."""
    found = []
    for group in sorted(labels, key=lambda group: group not in attacking):
        title = labels[group]
        rows = areas[areas["group"] == group]
        base = rows[rows["detector"] == BASELINE].iloc[0]
        learnt = rows[(rows["detector"] != BASELINE) & rows["auc"].notna()]
        if learnt.empty:
            text = f"{title}: {int(base['n'])} examples succeeded, too few to say anything."
            found.append(Finding(text, None, "too few", group))
            continue
        claims = learnt[learnt["claim"]]
        best = (learnt if claims.empty else claims).sort_values("auc").iloc[-1]
        said = _auc(best)
        text = (
            f"{title}: the best detector is the {DETECTORS[best['detector']]} of {best['name']}, "
            f"AUC {said}; the classifier's uncertainty alone has {_auc(base)}. "
        )
        if np.isfinite(best["matched"]):
            text += (
                f"Among {int(best['matched_n'])} pairs of equal confidence: "
                f"{_auc(best, 'matched')}. "
            )
        else:
            text += "Too few have a genuine partner of equal confidence. "
        if np.isfinite(best["control"]):
            text += f"Against random noise of equal length: {_auc(best, 'control')}"
            text += ", larger for the noise. " if best["control_high"] < 0.5 else ". "
        text += (
            f"{len(claims)} of {len(learnt)} detectors tell it from genuine images beyond the "
            "confidence."
        )
        found.append(Finding(text, bool(len(claims)), about=group))
    return found


def restoring(shares: pd.DataFrame, attacking: Sequence[str]) -> Finding | None:
    """Return which autoencoder gives the most adversarial examples their class back."""
    fooled = shares[shares["group"].isin(list(attacking))].groupby("name", sort=False)
    totals = fooled[["right", "n"]].sum()
    totals = totals[totals["n"] > 0]
    if totals.empty:
        return None
    name = str((totals["right"] / totals["n"]).idxmax())
    right, n = (int(x) for x in totals.loc[name].to_numpy())
    genuine = shares[(shares["group"] == GENUINE) & (shares["name"] == name)].iloc[0]
    return Finding(
        f"Spliced in, the reconstructions of {name} give "
        f"{words.count(right, n)} adversarial "
        "examples their class back, the most of all, and keep that of "
        f"{words.count(int(genuine['right']), int(genuine['n']))} genuine ones that were right. "
        "None of the attacks knew of the autoencoder: this is a measurement, not a defence.",
        None,
    )


def describing(table: pd.DataFrame) -> Finding:
    """Return how many dimensions the latents have, and how far the classes lie apart."""
    said = [
        f"{row['name']} {words.interval(_named(row, 'dimension'))} of {int(row['numbers']):,}"
        for row in table.to_dict("records")
    ]
    best = table.sort_values("gaussians").iloc[-1]
    return Finding(
        f"Intrinsic dimension of the training latents (TwoNN), of so many numbers: "
        f"{words.several(said)}. The classes lie furthest apart in {best['name']}: its Gaussians "
        f"name the class of {words.interval(_named(best, 'gaussians'), scale=100, unit='%')} of "
        "held-out images.",
        None,
    )


def noising(around: pd.DataFrame, names: Sequence[str]) -> Finding:
    """Return how much noise the decoded class bears."""
    said = []
    for name in names:
        rows = around[(around["name"] == name) & (around["scale"] > 0)]
        shares = rows.groupby("scale")["kept"].mean()
        half = shares[shares >= 0.5]
        said.append(
            f"{name} up to {half.index.max():g}" if len(half) else f"{name} at none of the levels"
        )
    return Finding(
        "Around an embedding, at least half of the decoded latents keep the class under noise of "
        f"so many deviations: {words.several(said)}.",
        None,
    )


def crossing(between: pd.DataFrame, names: Sequence[str]) -> Finding:
    """Return whether the spherical way is denser half way than the linear one."""
    said = []
    for name in names:
        rows = between[(between["name"] == name) & (between["share"] == 0.5)]
        sides = rows.pivot(index="pair", columns="way", values="log_density")
        gap = (sides["spherical"] - sides["linear"]).to_numpy(float)
        if len(gap) < 2:
            continue
        band = bootstrap(gap, np.median, method="percentile")
        said.append(f"{name} {words.interval(band)}")
    if not said:
        return Finding("There are too few pairs to compare ways.", None, "too few")
    return Finding(
        "Half way between two examples, the latent of the spherical way is denser than that of the "
        f"straight one by so many nats (median): {words.several(said)}.",
        None,
    )


def mixing(chains: pd.DataFrame, skipped: Sequence[str], leapfrog: int) -> list[Finding]:
    """Return whether the guided chains have mixed, and which latent spaces have none."""
    found = []
    method = "MALA" if leapfrog == 1 else f"Hamiltonian Monte Carlo ({leapfrog} steps)"
    if len(chains):
        per_class = chains.drop_duplicates(["name", "class"])
        said, still = [], []
        for name, rows in per_class.groupby("name", sort=False):
            mixed = int((rows["r_hat"] <= MIXED).sum())
            reached = chains[chains["name"] == name]["reached"].mean()
            said.append(
                f"{name} in {words.count(mixed, len(rows))} classes (worst R-hat "
                f"{rows['r_hat'].max():.2f}, fewest effective draws "
                f"{words.number(rows['effective'].min())}; {words.percent(float(reached))} of the "
                "draws are classified as the class)"
            )
            if mixed < len(rows):
                still.append(str(name))
        text = f"Chains guided by the classifier, {method}, have mixed: {words.several(said)}. "
        if still:
            text += (
                f"Where R-hat is above {MIXED:g} ({words.several(still)}) chains are still where "
                "they began or in different places: what they show are places of high probability, "
                "not a sample of the density. More `--draws`, `--leapfrog` steps or a higher "
                "`--temperature` help."
            )
        found.append(Finding(text, None, "not all mixed" if still else "mixed"))
    if skipped:
        found.append(
            Finding(
                f"No chains in {words.several(skipped)}: codes and active entries are no continuous"
                " latents, a gradient does not lead from one to the next.",
                None,
                "skipped",
            )
        )
    return found


def _auc(row: pd.Series, name: str = "auc") -> str:
    found = _named(row, name)
    return words.interval(found) if np.isfinite(found.estimate) else "n/a"


def _named(row: Mapping[Any, Any] | pd.Series, name: str) -> Interval:
    return Interval(float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"]))

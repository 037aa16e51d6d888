"""What a study of augmentation has found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from autoencoders.augment.comparisons import AUTOENCODER, COMPARED, NOISE, NONE
from core.report import Finding, words
from core.statistics import Interval, bootstrap

if TYPE_CHECKING:
    from autoencoders.augment.study import AugmentStudy

_NAMES = {
    (AUTOENCODER, NONE): "moves of the autoencoder against none",
    (AUTOENCODER, NOISE): "moves of the autoencoder against noise of equal length",
    (NOISE, NONE): "noise of that length against none",
}


def findings(study: AugmentStudy, found: pd.DataFrame, read: pd.DataFrame) -> list[Finding]:
    """Return a finding per layer and comparison, and one on what the moves do."""
    said = []
    for layer in study.layers:
        rows = found[(found["layer"] == layer) & (found["seeds"] > 0)]
        for pair in COMPARED:
            own = rows[(rows["first"] == pair[0]) & (rows["second"] == pair[1])]
            said.append(_compared(layer, study.start_of(layer), pair, own))
        said.append(_read(layer, found, read))
    return said


def _compared(layer: str, start: str, pair: tuple[str, str], rows: pd.DataFrame) -> Finding:
    shown, hidden = rows[rows["shown"]], rows[~rows["shown"]]
    begun = "from scratch" if start == "scratch" else "from the reference"
    text = f"{layer}, {begun}, {_NAMES[pair]}: "
    parts = []
    if len(shown):
        parts.append(words.several(_difference(row) for row in shown.to_dict("records")))
    if len(hidden):
        alike = words.several(_difference(row) for row in hidden.to_dict("records"))
        parts.append(f"after correction, no difference shown in {alike}")
    return Finding(
        text + "; ".join(parts) + ".",
        bool(len(shown)),
        f"{len(shown)} of {len(rows)} differences shown" if len(shown) else "no difference shown",
        layer,
    )


def _difference(row: dict) -> str:
    interval = words.interval(Interval(row["estimate"], row["low"], row["high"]))
    sign = "+" if row["estimate"] > 0 else ""
    return f"{row['title']} {sign}{interval} {row['unit']}"


def _read(layer: str, found: pd.DataFrame, read: pd.DataFrame) -> Finding:
    own = read[read["layer"] == layer]
    shares = {
        move: words.interval(
            bootstrap(own[own["move"] == move]["class_changed"].to_numpy(float)),
            scale=100, unit="%",
        )
        for move in (AUTOENCODER, NOISE)
    }  # fmt: skip
    kept = {m: 100 * own[own["move"] == m]["same"].mean() for m in (AUTOENCODER, NOISE)}
    row = found[(found["layer"] == layer) & (found["measure"] == "class_changed")].iloc[0]
    other = "" if row["shown"] else ", no difference shown"
    text = (
        f"{layer}: the nearest training example is of another class than before after "
        f"{shares[AUTOENCODER]} of the autoencoder's moves and after {shares[NOISE]} of those of "
        f"noise ({words.p_value(row['p_holm'])}{other}); it is the same example after "
        f"{words.number(kept[AUTOENCODER], 2)}% and {words.number(kept[NOISE], 2)}%."
    )
    return Finding(
        text,
        bool(row["shown"]),
        "difference shown" if row["shown"] else "no difference shown",
        layer,
    )

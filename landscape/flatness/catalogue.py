"""What the columns of a table of flatness measures hold, and how some of the measures are named."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import InputError, unknown_name
from core.options import split_list
from landscape.measures import Measure, by_name

NOISE, LABEL, WORST = "noise", "label", "worst case"
LOCAL, DIMENSION = "gradient and curvature", "dimension"
"""Families of measures: each has its panels."""
ALL = "all"

MEASURES = by_name(
    [
        Measure(
            "gaussian_rise", "rise under Gaussian noise", "nats", "l2 radius",
            short="Gaussian rise", family=NOISE,
        ),
        Measure(
            "sphere_rise", "rise under noise on the sphere", "nats", "l2 radius",
            short="sphere rise", family=NOISE,
        ),
        Measure(
            "log_odds_shift", "log-odds shift under noise", "nats", "l2 radius",
            logarithmic=False, short="log-odds shift", family=NOISE,
        ),
        Measure(
            "log_odds_score", "standardised log-odds shift under noise", "deviations", "l2 radius",
            logarithmic=False, short="log-odds score", family=NOISE,
        ),
        Measure(
            "worst_l2_rise", "worst-case rise in the l2 ball", "nats", "l2 radius",
            short="worst rise, l2", family=WORST,
        ),
        Measure(
            "worst_linf_rise", "worst-case rise in the linf ball", "nats", "linf radius",
            short="worst rise, linf", family=WORST,
        ),
        Measure(
            "linearity_gap", "local linearity gap in the linf ball", "nats", "linf radius",
            short="linearity gap", family=WORST,
        ),
        Measure(
            "stability", "share of noise that keeps the label", "share", "sigma",
            logarithmic=False, short="label kept", family=LABEL, symbol="σ",
        ),
        Measure(
            "certified_radius", "certified l2 radius", "input units",
            logarithmic=False, short="certified radius", family=LABEL,
        ),
        Measure(
            "persistence", "persistence of the label under noise", "input units",
            short="persistence", family=LABEL,
        ),
        Measure(
            "boundary_distance", "distance to the decision boundary", "input units",
            logarithmic=False, short="boundary distance", family=LABEL,
        ),
        Measure(
            "gradient_l2", "gradient norm, l2", "nats per input unit",
            short="gradient, l2", family=LOCAL,
        ),
        Measure(
            "gradient_l1", "gradient norm, l1", "nats per input unit",
            short="gradient, l1", family=LOCAL,
        ),
        Measure(
            "hessian_trace", "trace of the input Hessian", "nats per squared input unit",
            short="Hessian trace", family=LOCAL,
        ),
        Measure(
            "hessian_top", "top eigenvalue of the input Hessian", "nats per squared input unit",
            short="top eigenvalue", family=LOCAL,
        ),
        Measure(
            "gradient_change", "change of the gradient along itself (CURE)",
            "nats per squared input unit", short="gradient change", family=LOCAL,
        ),
        Measure(
            "gradient_coherence", "coherence of the gradient under noise", "cosine", "l2 radius",
            logarithmic=False, short="gradient coherence", family=LOCAL,
        ),
    ]
)  # fmt: skip
"""What can be measured of any image by itself or beside references, by name."""

COMPARED = ("log_odds_score",)
"""Measures of `MEASURES` that need genuine reference images."""


def dimension_at(layer: str) -> str:
    """Return the name of the measure of the local intrinsic dimension at a layer."""
    return f"lid:{layer}"


def measures_with(layers: Sequence[str]) -> dict[str, Measure]:
    """Return all measures by name: `MEASURES` and the local intrinsic dimension at each layer."""
    dimensions = [
        Measure(
            dimension_at(layer), f"local intrinsic dimension ({layer})", "dimensions",
            short=f"dimension ({layer})", family=DIMENSION,
        )
        for layer in layers
    ]  # fmt: skip
    return MEASURES | by_name(dimensions)


def chosen_measures(
    measures: Sequence[str] | str | None, layers: Sequence[str] = (), *, referenced: bool = True
) -> tuple[str, ...]:
    """Return the names of measures that are meant by names, families, `all`, or None for all.

    Args:
        measures: as the user gave them; spaces of families may be underscores.
        layers: at which the local intrinsic dimension can be had.
        referenced: whether there are genuine reference images. Without, measures that need them
            may not be named, and families are meant without them.

    Returns:
        Names in the order of the catalogue.

    >>> chosen_measures("worst_case, hessian_top")
    ('worst_l2_rise', 'worst_linf_rise', 'linearity_gap', 'hessian_top')

    Raises:
        InputError: for what is neither a measure nor a family, with the nearest names, and for a
            measure that is named without the references it needs.
    """
    known = measures_with(layers)
    missing = () if referenced else COMPARED
    families: dict[str, list[str]] = {ALL: [name for name in known if name not in missing]}
    for measure in known.values():
        own = families.setdefault(measure.family, [])
        own += [measure.name] if measure.name not in missing else []
    found: set[str] = set()
    for name in [ALL] if measures is None else split_list(measures, "--measures"):
        family = name.replace("_", " ")
        if family not in families and name not in known:
            raise unknown_name("--measures", name, [*families, *known])
        if name in missing:
            raise InputError(
                f"--measures: {name} compares with genuine reference images, and there are none."
            )
        found.update(families.get(family, [name]))
    return tuple(name for name in known if name in found)

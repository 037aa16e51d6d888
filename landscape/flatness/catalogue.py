"""What the columns of a table of flatness measures hold, and how some of the measures are named."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import unknown_name
from core.options import split_list
from landscape.measures import Measure, by_name

NOISE, WORST, LOCAL = "noise", "worst case", "gradient and curvature"
"""Families of measures: each has its panel."""
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
            "worst_l2_rise", "worst-case rise in the l2 ball", "nats", "l2 radius",
            short="worst rise, l2", family=WORST,
        ),
        Measure(
            "worst_linf_rise", "worst-case rise in the linf ball", "nats", "linf radius",
            short="worst rise, linf", family=WORST,
        ),
        Measure(
            "stability", "share of noise that keeps the label", "share", "sigma",
            logarithmic=False, short="label kept", family=NOISE, symbol="σ",
        ),
        Measure(
            "certified_radius", "certified l2 radius", "input units",
            logarithmic=False, short="certified radius", family=NOISE,
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
    ]
)  # fmt: skip


def chosen_measures(measures: Sequence[str] | str | None) -> frozenset[str]:
    """Return the names of measures that are meant by names, families, `all`, or None for all.

    >>> sorted(chosen_measures("worst case, hessian_top"))
    ['hessian_top', 'worst_l2_rise', 'worst_linf_rise']

    Raises:
        InputError: for what is neither a measure nor a family, with the nearest names.
    """
    families: dict[str, list[str]] = {ALL: list(MEASURES)}
    for measure in MEASURES.values():
        families.setdefault(measure.family, []).append(measure.name)
    found: set[str] = set()
    for name in [ALL] if measures is None else split_list(measures, "--measures"):
        if name not in families and name not in MEASURES:
            raise unknown_name("--measures", name, [*families, *MEASURES])
        found.update(families.get(name, [name]))
    return frozenset(found)

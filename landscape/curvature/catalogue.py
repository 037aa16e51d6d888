"""What the columns of the curvature study's table hold."""

from __future__ import annotations

from landscape.measures import Measure, by_name

SPECTRUM, WAYS, BOUNDARY = "spectrum", "directions", "boundary"
"""Families of measures: each has its panel."""

MEASURES = by_name(
    [
        Measure(
            "hessian_top", "top eigenvalue of the input Hessian", "nats per squared input unit",
            short="top eigenvalue", family=SPECTRUM,
        ),
        Measure(
            "hessian_trace", "trace of the input Hessian", "nats per squared input unit",
            short="trace", family=SPECTRUM,
        ),
        Measure(
            "effective_rank", "effective rank of the input Hessian", "directions",
            logarithmic=False, short="effective rank", family=SPECTRUM,
        ),
        Measure(
            "top_share", "share of the top eigenvalue in the whole", "share",
            logarithmic=False, short="share of the top", family=SPECTRUM,
        ),
        Measure(
            "negative_share", "share of the whole that is negative", "share",
            logarithmic=False, short="negative share", family=SPECTRUM,
        ),
        Measure(
            "relative_gradient", "curvature along the gradient", "times the average",
            short="along the gradient", family=WAYS,
        ),
        Measure(
            "relative_twin", "curvature towards the twin", "times the average",
            short="towards the twin", family=WAYS, detector=False,
        ),
        Measure(
            "relative_predicted_mean", "curvature towards the mean of the predicted class",
            "times the average", short="to the predicted class", family=WAYS,
        ),
        Measure(
            "relative_true_mean", "curvature towards the mean of the true class",
            "times the average", short="to the true class", family=WAYS, detector=False,
        ),
        Measure(
            "boundary_distance", "l2 distance to the decision boundary", "input units",
            short="boundary distance", family=BOUNDARY,
        ),
        Measure(
            "boundary_bend", "mean curvature of the decision boundary", "1 / input unit",
            "scale", logarithmic=False, short="boundary curvature", family=BOUNDARY,
        ),
        Measure(
            "boundary_size", "rms curvature of the decision boundary",
            "1 / input unit", "scale", short="boundary curvature, rms", family=BOUNDARY,
        ),
    ]
)  # fmt: skip

WAY_NAMES = ("gradient", "twin", "predicted_mean", "true_mean")
"""The directions, in the order of `MEASURES`."""

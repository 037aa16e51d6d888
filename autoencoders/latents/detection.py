"""How well a number tells examples from their genuine twins, beside the classifier's uncertainty.

Adversarial examples differ from genuine ones in confidence. A detector that says no more than the
confidence does is no use of an autoencoder, so each is compared with that trivial one: by the
difference of their AUCs, and by its own AUC among examples of equal confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.errors import InputError
from core.statistics import (
    Interval,
    auc,
    auc_difference,
    match,
    matched_auc,
    matching_balance,
    paired_test,
    unpaired_test,
)

LEAST = 20
"""Fewer pairs than this make no claim."""


@dataclass(frozen=True)
class Detection:
    """A detector of one group, with 95 % intervals; NaN where there are too few pairs.

    Attributes:
        n: pairs.
        auc: of "the number is larger for the example than for a genuine image".
        p: of the paired test that it is not.
        gain: its AUC less that of the baseline, the latter in its better direction.
        gain_p: of no gain, two-sided.
        matched_n: pairs of equal confidence.
        matched: the AUC among them.
        matched_p: of the test that it is .5.
    """

    n: int
    auc: Interval
    p: float
    gain: Interval
    gain_p: float
    matched_n: int
    matched: Interval
    matched_p: float


def detection(
    ours: ArrayLike,
    genuine: ArrayLike,
    uncertainty: ArrayLike,
    genuine_uncertainty: ArrayLike,
    *,
    least: int = LEAST,
) -> Detection:
    """Judge a detector on examples and their genuine twins, paired by position.

    Args:
        ours: `(n,)` the detector on the examples; it is meant to be larger there.
        genuine: `(n,)` the detector on the genuine images that these were made from.
        uncertainty: `(n,)` the baseline on the examples: above 0, such as the cross-entropy of the
            predicted class. Equal confidence is equal `log(uncertainty)`.
        genuine_uncertainty: `(n,)` the baseline on the genuine images.
        least: pairs for a claim.

    Raises:
        InputError: arrays of different lengths, or an uncertainty below 0.
    """
    a, b, base_a, base_b = (
        np.asarray(x, dtype=np.float64) for x in (ours, genuine, uncertainty, genuine_uncertainty)
    )
    if len({x.shape for x in (a, b, base_a, base_b)}) > 1 or a.ndim != 1:
        raise InputError("detection: expected four arrays of one length.")
    if min(base_a.min(initial=0), base_b.min(initial=0)) < 0:
        raise InputError("uncertainty: expected numbers of at least 0.")
    unknown = Interval(np.nan, np.nan, np.nan)
    if len(a) < least:
        return Detection(len(a), unknown, np.nan, unknown, np.nan, 0, unknown, np.nan)
    area = auc(a, b, paired=True)
    sign = 1 if auc(base_a, base_b, paired=True).estimate >= 0.5 else -1
    gain, gain_p = auc_difference((a, b), (sign * base_a, sign * base_b))
    tiny = np.finfo(np.float64).tiny
    logs = np.log(np.maximum(base_a, tiny)), np.log(np.maximum(base_b, tiny))
    left, right = match(*logs)
    matched, matched_p = unknown, np.nan
    if matching_balance(*logs, left, right, minimum=least).enough:
        matched = matched_auc(a, b, left, right, same_examples=True)
        matched_p = unpaired_test(a[left], b[right]).p
    return Detection(len(a), area, paired_test(a, b).p, gain, gain_p, len(left), matched, matched_p)

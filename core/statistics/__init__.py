"""Intervals, paired tests, agreement, effect sizes, discrimination and matching.

Arrays in, frozen dataclasses out. Whatever is random takes a `seed` and draws from its own
generator: the same call gives the same numbers, and numpy's global state is neither read nor
written. Input that is not finite is an `InputError`.
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "Interval": "core.statistics.intervals",
    "bootstrap": "core.statistics.intervals",
    "bootstrap_sums": "core.statistics.sums",
    "geometric_mean_ratio": "core.statistics.ratios",
    "ratio_of_means": "core.statistics.ratios",
    "ratio_of_medians": "core.statistics.ratios",
    "CrossedMean": "core.statistics.crossed",
    "crossed_mean": "core.statistics.crossed",
    "PairedTest": "core.statistics.comparisons",
    "paired_test": "core.statistics.comparisons",
    "sign_flip_test": "core.statistics.comparisons",
    "UnpairedTest": "core.statistics.comparisons",
    "unpaired_test": "core.statistics.comparisons",
    "McNemar": "core.statistics.agreement",
    "mcnemar": "core.statistics.agreement",
    "jaccard": "core.statistics.agreement",
    "cohen_kappa": "core.statistics.agreement",
    "expected_jaccard": "core.statistics.agreement",
    "holm": "core.statistics.multiplicity",
    "auc": "core.statistics.discrimination",
    "auc_difference": "core.statistics.discrimination",
    "clopper_pearson": "core.statistics.proportions",
    "wilson": "core.statistics.proportions",
    "spearman": "core.statistics.association",
    "partial_spearman": "core.statistics.association",
    "default_caliper": "core.statistics.matching",
    "match": "core.statistics.matching",
    "matched_auc": "core.statistics.matching",
    "matched_ratio": "core.statistics.matching",
    "matching_balance": "core.statistics.balance",
    "Balance": "core.statistics.balance",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)

"""Versions of images side by side: the genuine one, what was made of it, and what was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.report import words

if TYPE_CHECKING:
    from core.data import ImageSet
    from core.report.page import Report

GENUINE = "genuine"


def add_versions(
    report: Report,
    genuine: ImageSet,
    versions: Mapping[str, np.ndarray],
    lines: Mapping[str, Sequence[str]],
    shown: str,
    *,
    visible: float = 1.0,
) -> None:
    """Add genuine images, their versions and enlarged differences to a report.

    Args:
        report: to be added to.
        genuine: the images, one per row.
        versions: name -> `(n, c, h, w)` in `[0, 1]`, in the same order.
        lines: name (`genuine`, too) -> one line per image, see `predicted`.
        shown: which images these are, as the caption begins: `Images that the most attacks fooled`.
        visible: differences are enlarged ten times, or less where they would run out of the grey
            scale; this share of the changed values has to stay within.
    """
    pixels, labels = (tensor.numpy() for tensor in genuine.tensors())
    changes = np.abs(np.stack(list(versions.values())) - pixels)
    large = np.quantile([0.05, *changes[changes > 0.05]], visible)
    gain = float(f"{0.5 / large:.1g}")
    names = genuine.class_names
    report.examples(
        {GENUINE: pixels, **versions},
        f"{shown}: the genuine image, its versions, and what was changed, times {gain:g} "
        "(grey: nothing). Below each the prediction and its confidence.",
        gain=gain,
        captions=lines,
        titles=[f"{i}: {names[int(k)]}" for i, k in zip(genuine.ids, labels, strict=True)],
        reference=GENUINE,
    )


def predicted(
    predictions: pd.Series, confidences: pd.Series, class_names: Sequence[str]
) -> list[str]:
    """Return a line per image with the predicted class and its confidence.

    >>> predicted(pd.Series([1, -1]), pd.Series([0.5, float("nan")]), ("cat", "dog"))
    ['dog, 50%', 'not finite']
    """
    return [
        f"{class_names[int(p)]}, {words.percent(float(c))}" if p >= 0 else "not finite"
        for p, c in zip(predictions, confidences, strict=True)
    ]

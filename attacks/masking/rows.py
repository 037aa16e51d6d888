"""The rows of the table: what each check asks, and what it found."""

from __future__ import annotations

import pandas as pd

Row = dict[str, object]

CHECKS = {
    "repeatable": "Two forward passes of the same images give the same logits",
    "gradients": "The cross-entropy has a gradient in float32",
    "not saturated": "The predicted probability does not round to 1 in float32",
    "unbounded": "With the whole box to move in, every image is fooled",
    "larger radius": "Success never falls as the radius grows",
    "more steps": "Success never falls with more steps",
    "iterative": "Many steps fool at least as many images as a single one",
    "random search": "Random points of the same ball fool no more images than the gradient",
    "white box": "Examples made on other classifiers fool no more images than its own",
}
"""What each check asks, in the order of the rows."""


def row(check: str, passed: bool | None, number: float, explanation: str) -> Row:
    """Return what one check found; `passed` is None where it cannot be said."""
    return {"check": check, "passed": passed, "number": number, "explanation": explanation}


def table(rows: list[Row]) -> pd.DataFrame:
    """Return the rows as a table."""
    return pd.DataFrame(rows).astype({"passed": "boolean", "number": float})

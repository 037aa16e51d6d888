"""Two attacks side by side, image by image: the one that should be stronger must not lose."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from torch import Tensor

from attacks.masking.rows import Row, row

SIGNIFICANT = 0.01
"""A change of success is called a fall when its one-sided exact p is below this."""


def unbounded(won: Tensor, lengths: Sequence[float], norm: str) -> Row:
    """Ask for success on every image at one of the radii, the last of which is the whole box."""
    fooled = won.any(0)
    shares = ", ".join(
        f"{100 * float(one.double().mean()):.0f} % at {eps:.4g}"
        for eps, one in zip(lengths, won, strict=True)
    )
    return row(
        "unbounded",
        bool(fooled.all()),
        float(fooled.double().mean()),
        f"Share of {won.shape[1]} images fooled within the whole box; PGD in {norm}: {shares}. "
        "Every image can be turned into another one there: what is left was not found.",
    )


def compared_at_worst(
    check: str,
    pairs: Sequence[tuple[Tensor, Tensor]],
    called: Sequence[tuple[str, str]],
    where: str,
    without: str,
) -> Row:
    """Compare several pairs of attacks, and tell of the one that speaks most for a fall.

    The p values are corrected for their number (Bonferroni). Where there is no pair, nothing can be
    said, and `without` tells why.
    """
    if not pairs:
        return row(check, None, float("nan"), without)
    worst = min(range(len(pairs)), key=lambda i: p_of_fall(*pairs[i]))
    return compared(check, *pairs[worst], called[worst], where, tests=len(pairs))


def compared(
    check: str,
    less: Tensor,
    more: Tensor,
    called: tuple[str, str],
    where: str,
    tests: int = 1,
) -> Row:
    """Compare two attacks, of which the second should be no weaker; the number is its gain."""
    p = min(1.0, tests * p_of_fall(less, more))
    lost, gained = int((less & ~more).sum()), int((more & ~less).sum())
    return row(
        check,
        p >= SIGNIFICANT,
        float(more.double().mean() - less.double().mean()),
        f"Gain in success: {called[0]} fools {int(less.sum())} of {len(less)}, {called[1]} "
        f"fools {int(more.sum())} ({where}; {gained} gained, {lost} lost, p = {p:.2g} for a fall).",
    )


def p_of_fall(less: Tensor, more: Tensor) -> float:
    """Return the exact p, one-sided, of as many lost among the images that changed sides."""
    lost, gained = int((less & ~more).sum()), int((more & ~less).sum())
    changed = lost + gained
    return sum(comb(changed, k) for k in range(lost, changed + 1)) / 2**changed

"""Numbers as a reader wants them: three figures, intervals in brackets, p values that end."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.statistics.intervals import Interval

_MINUS = "−"  # the typographic minus sign, as wide as a plus
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, figures: int = 3) -> str:
    """Return a number with so many significant figures; powers of ten only where they help.

    >>> [number(x) for x in (3.14159, 0.0001234, 12, 1234567.0, -0.5, 2.5e-7, float("nan"))]
    ['3.14', '0.000123', '12', '1,234,567', '−0.5', '2.5 × 10⁻⁷', 'n/a']
    """
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else _MINUS + "∞"
    if value == 0:
        return "0"
    size, sign = abs(value), _MINUS if value < 0 else ""
    rounded = float(f"{size:.{figures - 1}e}")
    exponent = math.floor(math.log10(rounded))
    if exponent < -4 or exponent >= 9:
        mantissa = _trim(f"{rounded / 10.0**exponent:.{figures - 1}f}")
        return f"{sign}{mantissa} × 10{str(exponent).translate(_SUPERSCRIPT)}"
    if exponent >= figures - 1:
        return f"{sign}{size:,.0f}"
    return sign + _trim(f"{rounded:.{figures - 1 - exponent}f}")


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def p_value(p: float, smallest: float = 1e-9) -> str:
    """Return a p value with two figures, as an inequality where it is tiny.

    >>> p_value(0.0312), p_value(3e-14), p_value(1.0), p_value(2.4e-5)
    ('p = 0.031', 'p < 1e-9', 'p = 1', 'p = 2.4e-5')
    """
    if math.isnan(p):
        return "p n/a"
    if p < smallest:
        return f"p < {_scientific(smallest, 0)}"
    if p < 1e-3:
        return f"p = {_scientific(p, 1)}"
    return f"p = {number(p, 2)}"


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{_trim(mantissa)}e{int(exponent)}"


def interval(of: Interval, figures: int = 2, *, scale: float = 1.0, unit: str = "") -> str:
    """Return an estimate with its interval in brackets, all to the digits that the width deserves.

    Args:
        of: the interval.
        figures: significant figures of the width, which fix the decimals of all three numbers.
        scale: factor for all of them, 100 for a percentage.
        unit: set after each.

    >>> from core.statistics import Interval
    >>> interval(Interval(3.12, 2.64, 3.71)), interval(Interval(1.0, 0.98, 1.03))
    ('3.1 [2.6, 3.7]', '1.000 [0.980, 1.030]')
    >>> interval(Interval(0.5, 0.41, 0.6), scale=100, unit="%")
    '50% [41%, 60%]'
    """
    ends = [x * scale for x in (of.estimate, of.low, of.high)]
    width = ends[2] - ends[1]
    decimals = figures - 1 - math.floor(math.log10(width)) if 0 < width < math.inf else 99
    plain = decimals <= 6 and max(map(abs, ends)) < 1e9
    shown = [_fixed(x, max(decimals, 0)) if plain else number(x, figures + 1) for x in ends]
    return f"{shown[0]}{unit} [{shown[1]}{unit}, {shown[2]}{unit}]"


def _fixed(value: float, decimals: int) -> str:
    text = f"{abs(value):,.{decimals}f}"
    return (_MINUS if value < 0 and text.strip("0.,") else "") + text


def count(part: int, whole: int) -> str:
    """Return `412 of 500`, thousands separated.

    >>> count(1200, 12000)
    '1,200 of 12,000'
    """
    return f"{part:,} of {whole:,}"


def counted(many: int, noun: str) -> str:
    """Return `1 recipe` or `1,200 recipes`.

    >>> counted(1, "recipe"), counted(1200, "recipe")
    ('1 recipe', '1,200 recipes')
    """
    return f"{many:,} {noun}" + "s" * (many != 1)


def percent(share: float, figures: int = 3) -> str:
    """Return a share as a percentage that says 100% or 0% only where it is exactly that.

    >>> percent(0.797), percent(1.0), percent(0.99999), percent(0.00001)
    ('79.7%', '100%', '>99.9%', '<0.1%')
    """
    if math.isnan(share):
        return "n/a"
    if 0.999 < share < 1:
        return ">99.9%"
    if 0 < share < 0.001:
        return "<0.1%"
    return number(100 * share, figures) + "%"


def several(items: Iterable[str], last: str = "and") -> str:
    """Join names into a phrase.

    >>> several(["FGSM", "PGD", "DDN"]), several(["FGSM"])
    ('FGSM, PGD and DDN', 'FGSM')
    """
    names = list(items)
    return f" {last} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def duration(seconds: float) -> str:
    """Return a time span in the units one would say it in.

    >>> duration(0.34), duration(83), duration(7500)
    ('0.34 s', '1 min 23 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{number(seconds, 2)} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

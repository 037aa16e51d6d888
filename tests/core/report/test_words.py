from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.report import words
from core.statistics import Interval


def parse(text: str) -> float:
    """Read a number back as a reader would."""
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-", ",")
    return float(text.replace(" × 10", "e").translate(digits))


@given(st.floats(-1e12, 1e12), st.integers(1, 6))
def test_a_number_is_right_to_its_significant_figures(value, figures):
    if abs(value) < 1e-300:
        return
    error = abs(parse(words.number(value, figures)) - value)
    assert error <= 0.5001 * 10 ** (1 - figures) * 10 ** np.floor(np.log10(abs(value)) + 1e-9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (999.6, "1,000"),
        (0.09996, "0.1"),
        (123456, "123,456"),
        (np.float32(2.5), "2.5"),
        (np.inf, "∞"),
        (-np.inf, "−∞"),
        (3e12, "3 × 10¹²"),
    ],
)
def test_numbers_at_the_edges(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.05, "p = 0.05"),
        (0.0010, "p = 0.001"),
        (9.94e-4, "p = 9.9e-4"),
        (1e-9, "p = 1e-9"),
        (9.9e-10, "p < 1e-9"),
        (0.0, "p < 1e-9"),
        (np.nan, "p n/a"),
    ],
)
def test_a_p_value_is_never_zero(p, text):
    assert words.p_value(p) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(1.05, 0.9, 1.2), "1.05 [0.90, 1.20]"),
        (Interval(1.09, 1.004, 1.18), "1.09 [1.00, 1.18]"),
        (Interval(-0.5, -1.5, 0.5), "−0.5 [−1.5, 0.5]"),
        (Interval(1234.0, 1100.0, 1400.0), "1,234 [1,100, 1,400]"),
        (Interval(3.0, 3.0, 3.0), "3 [3, 3]"),
        (Interval(2.0, -np.inf, np.inf), "2 [−∞, ∞]"),
        (Interval(np.nan, np.nan, np.nan), "n/a [n/a, n/a]"),
        (Interval(2.31e-9, 1.1e-9, 3.2e-9), "2.31 × 10⁻⁹ [1.1 × 10⁻⁹, 3.2 × 10⁻⁹]"),
        (Interval(-0.001, -1.0, 1.0), "0.0 [−1.0, 1.0]"),
    ],
)
def test_an_interval_has_the_digits_that_its_width_deserves(interval, text):
    assert words.interval(interval) == text


def test_a_percentage_says_all_or_none_only_where_it_is():
    shares = (1.0, 0.9996, 0.9, 0.0004, 0.0, np.nan)
    found = [words.percent(x) for x in shares]
    assert found == ["100%", ">99.9%", "90%", "<0.1%", "0%", "n/a"]


def test_durations_do_not_show_sixty_seconds():
    assert words.duration(59.99) == "60 s"
    assert words.duration(119.6) == "2 min 0 s"
    assert words.duration(3599.7) == "1 h 0 min"

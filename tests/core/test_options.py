from __future__ import annotations

import math

import pytest

from core.errors import InputError
from core.options import (
    float_list,
    number,
    positive,
    split_list,
    within,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("fgsm", ["fgsm"]),
        (
            "fgsm(eps=1/255),pgd(norm=linf, eps=8/255)",
            ["fgsm(eps=1/255)", "pgd(norm=linf, eps=8/255)"],
        ),
        ("a(b(1, 2), [3, 4]), c", ["a(b(1, 2), [3, 4])", "c"]),
        ("a(b='c), [d'), \"e", ["a(b='c), [d')", '"e']),
        ('a(b="it\'s (1"), c', ['a(b="it\'s (1")', "c"]),
        (["a(1, 2)", " b "], ["a(1, 2)", "b"]),
    ],
)
def test_lists_are_split_at_commas_outside_brackets(value: object, expected: list[str]) -> None:
    assert split_list(value, "--attacks") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", ["a,,b", "a,", "pgd(eps=1", "pgd)eps", "a(]", "a(b='c)", ["a", ""], ["a", 1]]
)
def test_a_list_that_cannot_be_split_is_refused_by_name(value: object) -> None:
    with pytest.raises(InputError, match=r"^--attacks: "):
        split_list(value, "--attacks")  # type: ignore[arg-type]


def test_numbers_may_be_fractions_texts_or_numbers() -> None:
    assert float_list("0.1, 8/255,1e-3", "--radii") == [0.1, 8 / 255, 1e-3]
    assert float_list([1, "1/4", 0.5], "--radii") == [1.0, 0.25, 0.5]
    assert float_list(0.25, "--radii") == [0.25]
    assert float_list(None, "--radii") == []
    assert number("0.1", "--eps") == 0.1


@pytest.mark.parametrize(
    "value", ["a", "1/0", "1//2", "nan", "inf", math.inf, True, "1e999", "1e9999/1"]
)
def test_what_is_not_a_finite_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(InputError, match=r"^--radii: found"):
        float_list([value], "--radii")  # type: ignore[list-item]


def test_ranges() -> None:
    assert positive(3, "--examples") == 3
    assert within(0, 0, 1, "--share") == 0
    for bad in (0, -1, math.nan, math.inf, True):
        with pytest.raises(InputError, match=r"^--examples: found"):
            positive(bad, "--examples")
    with pytest.raises(InputError, match="from 0 to 1"):
        within(1.5, 0, 1, "--share")
    with pytest.raises(InputError, match="at least 2"):
        within(1, 2, math.inf, "--share")

"""Normalisations are read from names and numbers, and read back from their own text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.models import Normalisation, parse_normalisation


def test_names_and_both_spellings_of_numbers() -> None:
    imagenet = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert parse_normalisation("imagenet") == imagenet
    assert parse_normalisation("mean=0.485,0.456,0.406 std=0.229, 0.224,0.225") == imagenet
    assert parse_normalisation("0.485, 0.456,0.406 ; 0.229,0.224,0.225") == imagenet
    assert parse_normalisation(imagenet) is imagenet
    assert parse_normalisation("none") is parse_normalisation(None) is None
    assert imagenet.channels == 3
    assert Normalisation((0.5,), (0.5,)).channels is None


@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3), st.floats(1e-9, 1e3)),
        min_size=1,
        max_size=4,
    )
)
def test_the_text_of_a_normalisation_reads_back_as_itself(pairs: list[tuple[float, float]]) -> None:
    normalisation = Normalisation(*(tuple(values) for values in zip(*pairs, strict=True)))
    assert parse_normalisation(str(normalisation)) == normalisation


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("imagnet", "did you mean 'imagenet'"),
        ("0.5,0.5;0.2", "2 means and 1 deviations"),
        ("0.5;0", "deviations above 0"),
        ("0.5;nan", "finite"),
        ("0.5;a", "expected a name"),
        ("mean=0.5,0.2", "expected a name"),
        ("0.5;0.5;0.5", "expected a name"),
    ],
)
def test_what_is_no_normalisation_is_one_sentence(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_normalisation(text)

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import ArgumentParser

from core.studies.settings import differences, digest, finite, plain, to_yaml

_TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
    st.from_regex(r"[-+]?[0-9]{0,3}\.?[0-9]{0,2}(e[-+]?[0-9]{1,2})?", fullmatch=True),
    st.sampled_from(
        [
            "yes",
            "null",
            "~",
            "1e-3",
            "8/255",
            "1_0",
            "0x1",
            ".inf",
            "=",
            "pgd(norm=linf, eps=8/255)",
        ]
    ),
)
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["model", "radii", "attacks"]), _PLAIN))
def test_yaml_reads_back_the_same(content: dict[str, Any]) -> None:
    assert yaml.safe_load(to_yaml(content)) == content


@settings(max_examples=100, deadline=None)
@given(_TEXTS, st.floats(allow_nan=False, allow_infinity=False), st.lists(_TEXTS, max_size=3))
def test_the_command_line_reads_the_same_yaml(text: str, real: float, texts: list[str]) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--text", type=str)
    parser.add_argument("--real", type=float)
    parser.add_argument("--texts", type=list[str] | str | None)
    content = {"text": text, "real": real, "texts": texts}
    assert parser.parse_string(to_yaml(content)).as_dict() == content


def test_plain_values_of_numpy_paths_and_tuples() -> None:
    content = {
        "a": np.float64(0.5),
        "b": np.int64(3),
        "c": np.array([1, 2]),
        "d": (Path("x/y"), np.bool_(True)),
    }
    result = plain(content)
    assert result == {"a": 0.5, "b": 3, "c": [1, 2], "d": ["x/y", True]}
    assert [type(v) for v in (result["a"], result["b"], result["d"][1])] == [float, int, bool]
    with pytest.raises(TypeError, match="object"):
        plain({"a": object()})


def test_differences_name_the_setting_and_both_values() -> None:
    before = {"attacks": ["fgsm(eps=1/255)"], "seed": 0, "data": "5f" * 32, "fit": {"steps": 1}}
    after = {"attacks": ["pgd", "fgsm"], "seed": 0, "data": "6a" * 32, "fit": {"steps": 2}, "x": 1}
    assert differences(before, after) == [
        "attacks: fgsm(eps=1/255) -> pgd, fgsm",
        "data: 5f5f5f5f5f5f... -> 6a6a6a6a6a6a...",
        "fit.steps: 1 -> 2",
        "x: (absent) -> 1",
    ]
    assert differences(before, dict(reversed(before.items()))) == []


def test_the_digest_depends_on_content_alone() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})


def test_json_gets_none_for_what_it_cannot_say() -> None:
    assert finite({"a": [float("nan"), 1.0], "b": float("-inf")}) == {"a": [None, 1.0], "b": None}

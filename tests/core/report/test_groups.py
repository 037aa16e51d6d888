from __future__ import annotations

import itertools

from core.report import group_style, group_styles

RECIPES = [
    "genuine",
    "noise",
    "fgsm(norm=linf, eps=8/255)",
    "pgd(norm=linf, eps=8/255, steps=40)",
    "pgd(norm=l2, eps=0.5, steps=40)",
    "minimum_norm(norm=l2)",
]


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_default_groups_differ_in_colour_and_in_marker():
    styles = group_styles(RECIPES)
    assert len({style.color for style in styles.values()}) == len(RECIPES)
    assert len({style.marker for style in styles.values()}) == len(RECIPES)


def test_a_known_group_looks_the_same_in_every_study():
    for names in itertools.permutations(RECIPES, 3):
        assert all(style == group_style(name) for name, style in group_styles(names).items())


def test_unknown_groups_of_one_study_are_told_apart():
    styles = group_styles([f"attack_{i}" for i in range(12)])
    assert len(set(styles.values())) == 12
    assert styles == group_styles([f"attack_{i}" for i in range(12)])


def test_every_colour_stands_out_from_white():
    for style in group_styles([*RECIPES, *(f"other_{i}" for i in range(7))]).values():
        assert 1.05 / (luminance(style.color) + 0.05) > 2

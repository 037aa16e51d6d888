"""The colour and marker of an example group: the same in every figure of every report."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class GroupStyle:
    """How a group is drawn; colour and marker both tell it apart."""

    color: str
    marker: str


# Okabe and Ito's palette, which readers with any colour vision can tell apart; its yellow is too
# faint on white and is replaced by darker tones that follow.
_BLUE, _GREY, _ORANGE, _VERMILION = "#0072B2", "#6E6E6E", "#E69F00", "#D55E00"
_PURPLE, _GREEN, _SKY = "#CC79A7", "#009E73", "#56B4E9"

# The first entry whose words all occur in the group's name decides.
_KNOWN: tuple[tuple[tuple[str, ...], GroupStyle], ...] = (
    (("genuine",), GroupStyle(_BLUE, "o")),
    (("noise",), GroupStyle(_GREY, "X")),
    (("fgsm",), GroupStyle(_ORANGE, "^")),
    (("pgd", "l2"), GroupStyle(_PURPLE, "D")),
    (("pgd",), GroupStyle(_VERMILION, "s")),
    (("min",), GroupStyle(_GREEN, "v")),
    (("ddn",), GroupStyle(_GREEN, "v")),
)
_SPARE = (
    GroupStyle(_SKY, "P"),
    GroupStyle("#332288", "*"),
    GroupStyle("#882255", "<"),
    GroupStyle("#7A6A00", ">"),
    GroupStyle("#117733", "h"),
    GroupStyle("#000000", "d"),
    GroupStyle("#AA4499", "p"),
)


def group_style(name: str) -> GroupStyle:
    """Return the style of one group, from its name alone.

    Known groups (genuine, noise, and the recipes of the default studies) have their own; any other
    name always gets the same one of the spare styles. Two unknown names may share a style:
    `group_styles` keeps those of one study apart.

    >>> group_style("pgd(norm=linf, eps=8/255, steps=40)") == group_style("pgd")
    True
    """
    for words, style in _KNOWN:
        if all(word in name.lower() for word in words):
            return style
    return _SPARE[hashlib.blake2b(name.encode(), digest_size=4).digest()[0] % len(_SPARE)]


def group_styles(names: Sequence[str]) -> dict[str, GroupStyle]:
    """Return the styles of all groups of a study, no two alike while there are styles left.

    Give all groups in the study's order, also where a figure shows only some of them.

    >>> styles = group_styles(["genuine", "pgd(eps=4/255)", "pgd(eps=8/255)"])
    >>> len(set(styles.values()))
    3
    """
    chosen: dict[str, GroupStyle] = {}
    everything = [*_SPARE, *(style for _, style in _KNOWN)]
    for name in dict.fromkeys(names):
        taken = set(chosen.values())
        own = group_style(name)
        if own in taken:
            own = next((style for style in everything if style not in taken), own)
        chosen[name] = own
    return chosen

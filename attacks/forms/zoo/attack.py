"""An attack of torchattacks: its form, and what its wrapper has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attacks.forms.form import Form


@dataclass(frozen=True)
class ZooAttack:
    """An attack that torchattacks makes.

    Attributes:
        form: its name and settings, in this project's words.
        made_by: the class in torchattacks.
        arguments: for each setting that the class takes, what the class calls it.
        words: for an argument, what the class calls a word of ours.
        fixed: arguments that are always the same.
        together: whether a batch is attacked at once; else one image at a time, from a global
            random state that is seeded for the image and put back afterwards.
        copies: how many points of one image the class evaluates at once, of a batch at once.
        rows_and_columns: whether it needs images of channels, rows and columns.
        square: whether these images need as many rows as columns.
        labels_are_targets: whether, targeted, the class wants the target classes for labels.
        raised: whether logits are shifted so that none is negative: the class takes a zero of its
            own mask for a logit.
    """

    form: Form
    made_by: str
    arguments: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    together: bool = False
    copies: str | None = None
    rows_and_columns: bool = False
    square: bool = False
    labels_are_targets: bool = False
    raised: bool = False

    def constructed_with(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the class, given the values of the settings."""
        given = dict(self.fixed)
        for ours, theirs in self.arguments.items():
            value = values[ours]
            given[theirs] = self.words.get(theirs, {}).get(value, value)
        return given

"""A finding: a sentence or two of a report, with its badge."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found, in words with their numbers.

    Attributes:
        text: one or two sentences.
        significant: whether it is a claim that holds; None where nothing was tested.
        verdict: the words of its badge; "" for those of `significant`, see `Report.finding`.
        about: the recipe or the group that it is about; None for the study as a whole.
    """

    text: str
    significant: bool | None = None
    verdict: str = ""
    about: str | None = None

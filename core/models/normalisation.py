"""Normalisation of [0, 1] images by a mean and a deviation per channel, and its spelling."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.errors import InputError, unknown_name

_SYNTAX = "a name (imagenet, cifar10, ..., none), 'mean=0.5,0.5,0.5 std=0.2,0.2,0.2' or '0.5;0.25'"


@dataclass(frozen=True)
class Normalisation:
    """What a network expects: `(images - mean) / std`, per channel or one value for all of them.

    >>> str(Normalisation((0.5,), (0.25,)))
    'mean=0.5 std=0.25'
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.std):
            raise InputError(
                f"--normalisation: {len(self.mean)} means and {len(self.std)} deviations; "
                "expected one of each per channel."
            )
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise InputError(
                f"--normalisation: found '{self}'; expected finite means and deviations above 0."
            )

    @property
    def channels(self) -> int | None:
        """The number of channels it is made for; None where one value serves any number."""
        return len(self.mean) if len(self.mean) > 1 else None

    def __str__(self) -> str:
        mean, std = (",".join(map(repr, values)) for values in (self.mean, self.std))
        return f"mean={mean} std={std}"


NAMED: dict[str, Normalisation | None] = {
    "none": None,
    "half": Normalisation((0.5,), (0.5,)),
    "imagenet": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": Normalisation((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": Normalisation((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "mnist": Normalisation((0.1307,), (0.3081,)),
    "fashion_mnist": Normalisation((0.2860,), (0.3530,)),
    "svhn": Normalisation((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}


def parse_normalisation(text: str | Normalisation | None) -> Normalisation | None:
    """Return the normalisation that a text names; None for None and for `none`.

    The text is a name (`imagenet`, `cifar10`, `cifar100`, `mnist`, `fashion_mnist`, `svhn`, `half`,
    `none`), `mean=M,M,M std=S,S,S`, or short `M,M,M;S,S,S`, in units of [0, 1] pixels; a single
    value holds for every channel. `str` of a normalisation reads back as itself.

    >>> parse_normalisation("0.5;0.25") == parse_normalisation("mean=0.5 std=0.25")
    True

    Raises:
        InputError: for an unknown name, unreadable numbers or deviations that are not above 0.
    """
    if text is None or isinstance(text, Normalisation):
        return text
    text = text.strip()
    if not any(mark in text for mark in "=;,"):
        if text not in NAMED:
            raise unknown_name("--normalisation", text, NAMED, hint=f"Expected {_SYNTAX}.")
        return NAMED[text]
    parts = text.split(";") if ";" in text else text.replace(" std", ";std").split(";")
    if len(parts) != 2:
        raise InputError(f"--normalisation: found {text!r}; expected {_SYNTAX}.")
    return Normalisation(_values(parts[0], "mean", text), _values(parts[1], "std", text))


def _values(part: str, name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in part.strip().removeprefix(f"{name}=").split(","))
    except ValueError:
        raise InputError(f"--normalisation: found {text!r}; expected {_SYNTAX}.") from None

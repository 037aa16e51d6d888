"""What the options of a flatness study are where the user leaves them out: by data and network."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import InputError
from core.layers import INPUT, resolve_layer
from core.options import float_list, split_list
from core.stages import stage_layers
from landscape.flatness.catalogue import DIMENSION, chosen_measures, dimension_at
from landscape.flatness.log_odds import LEAST_REFERENCES
from landscape.groups import GroupStudy

# l2 radii as multiples of sqrt(d), so that noise of one radius is equally visible at every image
# size; worst cases happen at much smaller radii, which depend on how fragile the classifier is.
_NOISE_STEPS = (0.00625, 0.0125, 0.025, 0.05, 0.1)
WORST_CASE = {
    "digits": {"l2": (0.05, 0.1, 0.2, 0.5), "linf": (0.01, 0.02, 0.05, 0.1)},
    "photographs": {"l2": (0.05, 0.1, 0.2, 0.5), "linf": (0.25 / 255, 0.5 / 255, 1 / 255, 2 / 255)},
}


def default_radii(pixels: int) -> tuple[float, ...]:
    """Return the l2 radii of the noise for images of `pixels` values (channels included).

    >>> default_radii(64)
    (0.05, 0.1, 0.2, 0.4, 0.8)
    """
    return tuple(float(f"{step * pixels**0.5:.2g}") for step in _NOISE_STEPS)


def lengths(
    given: Sequence[float] | str | None, name: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    """Return the lengths of an option, ascending and each once.

    Raises:
        InputError: there is none, or one is not above 0.
    """
    values = default if given is None else tuple(float_list(given, f"--{name}"))
    if not values or not all(0 < v < float("inf") for v in values):
        raise InputError(f"--{name}: expected lengths above 0, found {list(values)}.")
    return tuple(sorted(set(values)))


def measures_and_layers(
    study: GroupStudy,
    measures: Sequence[str] | str | None,
    layers: Sequence[str] | str | None,
    neighbours: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of all measures, and the layers that some of them are about.

    The local intrinsic dimension is left out where the matching pool has fewer images than twice
    the neighbours, the standardised log-odds where it has fewer than 10, unless they are asked for.

    Raises:
        InputError: an unknown measure or layer, no measure, or one that lacks its references.
    """
    pool = len(study.chosen) - len(study.attacked)
    named = split_list(measures, "--measures")
    dimensions = any(n == DIMENSION or n.startswith(dimension_at("")) for n in named)
    at: list[str] = []
    if layers is not None:
        at = [resolve_layer(study.classifier, name) for name in split_list(layers, "--layers")]
    elif dimensions or pool >= 2 * neighbours:
        example, _ = study.all_images.tensors([0], device=study.device)
        at = [INPUT, *stage_layers(study.classifier, example)]
    chosen = chosen_measures(measures, at, referenced=pool >= LEAST_REFERENCES)
    if not chosen:
        raise InputError("--measures: expected at least one.")
    kept = tuple(layer for layer in at if dimension_at(layer) in chosen)
    if kept and pool < neighbours:
        raise InputError(
            f"--neighbours: expected at most the {pool} images of the matching pool, found "
            f"{neighbours}."
        )
    return chosen, kept
